use redis_sync_guest::{Entries, Object, Result, transform};

#[transform]
extern "C" fn flags(_object: &Object) -> Result<Entries> {
    Ok(Entries::new())
}

fn main() {}
