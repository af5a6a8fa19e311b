use redis_sync_guest::{Entries, Object, Result, transform};

#[transform]
fn flags(_object: &Object, _region: &str) -> Result<Entries> {
    Ok(Entries::new())
}

fn main() {}
