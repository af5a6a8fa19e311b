use crate::{Entries, Error, Object, Result};

/// Runs a transform as the sandbox does: what it yields is checked, and an error is the message
/// that the host reports.
///
/// ```
/// use redis_sync_guest::{Context, Entries, Object, Result, run};
///
/// fn limit(object: &Object) -> Result<Entries> {
///     let limit: u32 = object.text()?.trim().parse().context("the limit is not a number")?;
///     Ok(Entries::new().text("limit", limit.to_string()))
/// }
///
/// let message = run(limit, &Object::new("limit.txt", "ten")).unwrap_err();
/// assert_eq!(message, "the limit is not a number: invalid digit found in string");
/// ```
///
/// # Errors
/// Where the transform fails, and where it yields what cannot be written: two entries for one key,
/// a score that is not a number, a TTL of zero.
pub fn run<E: Into<Error>>(
    transform: impl FnOnce(&Object) -> Result<Entries, E>,
    object: &Object,
) -> Result<Entries, String> {
    let entries = transform(object).map_err(|error| message(&error.into()))?;
    entries.check().map_err(|error| message(&error))?;
    Ok(entries)
}

/// The error and its causes, each once: many errors quote their cause themselves.
fn message(error: &Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !message.ends_with(&cause) {
            message.push_str(": ");
            message.push_str(&cause);
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bail;

    #[test]
    fn the_message_has_each_cause_once() {
        let error = Error::msg("root").context("middle: root").context("top");
        assert_eq!(message(&error), "top: middle: root");
        let error = Error::msg("root").context("top: root");
        assert_eq!(message(&error), "top: root");
    }

    #[test]
    fn a_transform_may_have_an_error_of_its_own() {
        let number = |object: &Object| -> Result<Entries, std::num::ParseIntError> {
            let number: u8 = object.key.parse()?;
            Ok(Entries::new().text("number", number.to_string()))
        };
        assert_eq!(
            run(number, &Object::new("7", "")),
            Ok(Entries::new().text("number", "7"))
        );
        assert_eq!(
            run(number, &Object::new("x", "")),
            Err("invalid digit found in string".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_written_fails_the_transform() {
        let twice =
            |_: &Object| -> Result<Entries> { Ok(Entries::new().text("k", "").text("k", "")) };
        assert_eq!(
            run(twice, &Object::new("o", "")),
            Err("there are two entries for the key `k`".to_owned())
        );
        let fails = |_: &Object| -> Result<Entries> { bail!("no") };
        assert_eq!(run(fails, &Object::new("o", "")), Err("no".to_owned()));
    }
}
