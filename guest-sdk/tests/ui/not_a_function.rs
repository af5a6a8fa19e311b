use redis_sync_guest::transform;

#[transform]
struct Flags;

fn main() {}
