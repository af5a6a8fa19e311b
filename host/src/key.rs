//! Object keys as S3 and the channels write them.
//!
//! Not the parsers for forms: those part a text at `&` and `=`, which keys may contain, and replace what
//! is not UTF-8 instead of refusing it.

use percent_encoding::percent_decode_str;

/// Decodes a key of a notification, or of a listing with `encoding-type=url`. These are
/// form-urlencoded: `+` is a space.
pub(crate) fn from_form(encoded: &str) -> Result<String, String> {
    from_percent(&encoded.replace('+', " "))
}

/// Decodes a percent-encoded key, as S3 Batch Operations writes it: `+` is itself.
pub(crate) fn from_percent(encoded: &str) -> Result<String, String> {
    let key = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| format!("the key `{encoded}` is not UTF-8"))?;
    if key.is_empty() {
        Err("the key is empty".to_owned())
    } else {
        Ok(key.into_owned())
    }
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
    }
}
