mod flags {
    use redis_sync_guest::{Entries, Object, Result, transform};

    #[transform]
    fn flags(_object: &Object) -> Result<Entries> {
        Ok(Entries::new())
    }
}

mod limits {
    use redis_sync_guest::{Entries, Object, Result, transform};

    #[transform]
    fn limits(_object: &Object) -> Result<Entries> {
        Ok(Entries::new())
    }
}

fn main() {}
