use redis_sync_guest::{Entries, Result, transform};

#[transform]
fn flags() -> Result<Entries> {
    Ok(Entries::new())
}

fn main() {}
