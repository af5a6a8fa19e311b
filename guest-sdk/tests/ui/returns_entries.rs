use redis_sync_guest::{Object, Result, transform};

#[transform]
fn flags(_object: &Object) -> Result<String> {
    Ok(String::new())
}

fn main() {}
