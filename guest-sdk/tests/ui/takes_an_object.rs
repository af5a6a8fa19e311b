use redis_sync_guest::{Entries, Result, transform};

#[transform]
fn flags(_object: &str) -> Result<Entries> {
    Ok(Entries::new())
}

fn main() {}
