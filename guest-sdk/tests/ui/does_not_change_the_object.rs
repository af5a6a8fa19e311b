use redis_sync_guest::{Entries, Object, Result, transform};

#[transform]
fn flags(_object: &mut Object) -> Result<Entries> {
    Ok(Entries::new())
}

fn main() {}
