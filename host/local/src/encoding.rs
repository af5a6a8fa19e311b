//! Keys as S3 writes them in notifications and in listings.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What S3 writes as `%XX`. It leaves `/` alone, and a space becomes `+` afterwards.
const ENCODED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// `key` in the form encoding of S3's notifications and of listings with `encoding-type=url`.
pub(crate) fn form_encode(key: &str) -> String {
    utf8_percent_encode(key, &ENCODED)
        .to_string()
        .replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::form_encode;

    #[test]
    fn keys_are_encoded_as_s3_does() {
        assert_eq!(form_encode("red flower.jpg"), "red+flower.jpg");
        assert_eq!(form_encode("a+b/cé.json"), "a%2Bb/c%C3%A9.json");
        assert_eq!(form_encode("100%"), "100%25");
    }
}
