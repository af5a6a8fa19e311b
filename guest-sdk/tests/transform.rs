//! What the attribute takes, and what it says where it is misused.

use redis_sync_guest::{Entries, Object, Result, settings, transform};

/// Every shape that is allowed at once: public, with a lifetime, a pattern, and another error type.
#[transform]
pub fn shouts<'a>(Object { key, body, .. }: &'a Object) -> Result<Entries, std::str::Utf8Error> {
    let body: &'a str = std::str::from_utf8(body)?;
    let mark = settings::get("mark").unwrap_or_default();
    Ok(Entries::new().text(key, body.to_uppercase() + &mark))
}

#[test]
fn a_transform_is_an_ordinary_function() {
    let object = Object::new("greeting", "hello");
    let entries = settings::with([("mark", "!")], || shouts(&object));
    assert_eq!(entries, Ok(Entries::new().text("greeting", "HELLO!")));
}

#[test]
fn misuse_is_an_error_at_the_token_in_the_way() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
