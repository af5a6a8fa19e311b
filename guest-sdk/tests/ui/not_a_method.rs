use redis_sync_guest::{Entries, Object, Result, transform};

struct Flags;

impl Flags {
    #[transform]
    fn flags(&self, _object: &Object) -> Result<Entries> {
        Ok(Entries::new())
    }
}

fn main() {}
