//! Object keys as S3 and the channels write them.
//!
//! Not the parsers for forms: those part a text at `&` and `=`, which keys may contain, and replace what
//! is not UTF-8 instead of refusing it.

use crate::text::clip;
use percent_encoding::percent_decode_str;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The longest key of an object, in bytes of UTF-8 (Amazon S3 user guide, "Naming Amazon S3 objects").
const MAX_KEY_BYTES: usize = 1024;

/// Decodes a key of a notification, or of a listing with `encoding-type=url`. These are
/// form-urlencoded: `+` is a space.
pub(crate) fn from_form(encoded: &str) -> Result<String, String> {
    from_percent(&encoded.replace('+', " "))
}

/// Decodes a percent-encoded key, as S3 Batch Operations writes it: `+` is itself.
pub(crate) fn from_percent(encoded: &str) -> Result<String, String> {
    let key = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| format!("the key `{}` is not UTF-8", clip(encoded)))?;
    checked(key.into_owned())
}

/// A key that an object may have. What S3 cannot store, or its SDK cannot ask for, would otherwise be
/// recorded, and fail for ever.
pub(crate) fn checked(key: String) -> Result<String, String> {
    match key.len() {
        0 => Err("the key is empty".to_owned()),
        1..=MAX_KEY_BYTES if key.trim().is_empty() => {
            Err("a key is white space alone, which the SDK of S3 takes for none".to_owned())
        }
        1..=MAX_KEY_BYTES => Ok(key),
        bytes => Err(too_long("a key", bytes)),
    }
}

/// Reads a key, the beginning of one, or a place among keys: none is longer than a key.
pub(crate) fn deserialize_part<'de, D: Deserializer<'de>>(form: D) -> Result<String, D::Error> {
    let part = String::deserialize(form)?;
    if part.len() > MAX_KEY_BYTES {
        return Err(D::Error::custom(too_long("what is named", part.len())));
    }
    Ok(part)
}

/// The same where it may be left out.
pub(crate) fn deserialize_optional_part<'de, D: Deserializer<'de>>(
    form: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct Part(#[serde(deserialize_with = "deserialize_part")] String);
    let part = Option::<Part>::deserialize(form)?;
    Ok(part.map(|Part(part)| part))
}

fn too_long(what: &str, bytes: usize) -> String {
    format!("{what} has {bytes} bytes, more than the {MAX_KEY_BYTES} of any key in S3")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_key_is_form_urlencoded() {
        assert_eq!(from_form("red+flower.jpg").unwrap(), "red flower.jpg");
        assert_eq!(from_form("a%2Bb%2Fc%C3%A9.json").unwrap(), "a+b/cé.json");
        assert_eq!(from_form("a+b%2Fc%C3%A9.json").unwrap(), "a b/cé.json");
        assert_eq!(from_form("100%25").unwrap(), "100%");
    }

    #[test]
    fn a_batch_key_keeps_its_plus() {
        assert_eq!(from_percent("a+b%20c").unwrap(), "a+b c");
    }

    #[test]
    fn a_key_that_is_no_text_is_refused() {
        assert!(from_form("%FF").unwrap_err().contains("not UTF-8"));
        assert!(from_form("").is_err());
        assert!(checked("x".repeat(1024)).is_ok() && checked("x".repeat(1025)).is_err());
        for blank in ["+", "%0A", "%C2%85", "%E2%80%A8+"] {
            assert!(
                from_form(blank).unwrap_err().contains("white space"),
                "{blank}"
            );
        }
        assert_eq!(from_form("+a").unwrap(), " a");
    }
}
