use redis_sync_guest::{Entries, Object, Result, transform};

#[transform]
unsafe fn flags(_object: &Object) -> Result<Entries> {
    Ok(Entries::new())
}

fn main() {}
