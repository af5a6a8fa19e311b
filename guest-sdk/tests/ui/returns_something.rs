use redis_sync_guest::{Object, transform};

#[transform]
fn flags(_object: &Object) {}

fn main() {}
