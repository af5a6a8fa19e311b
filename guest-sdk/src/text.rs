use std::str;

use anyhow::anyhow;

use crate::Result;

/// The byte order mark, in UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(MARK).unwrap_or(body)
}

pub(crate) fn parse(body: &[u8]) -> Result<&str> {
    str::from_utf8(body).map_err(|error| {
        let valid = body.get(..error.valid_up_to()).unwrap_or_default();
        let (line, column) = end_of(valid);
        anyhow!("the body is not UTF-8 at line {line}, column {column}")
    })
}

/// The line and column, from 1 and in bytes, of what would follow.
fn end_of(text: &[u8]) -> (usize, usize) {
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    let last_line = text
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    (lines + 1, last_line.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf_8_is_placed() {
        let message = |body| parse(body).expect_err("not UTF-8").to_string();
        assert_eq!(
            message(b"\xff"),
            "the body is not UTF-8 at line 1, column 1"
        );
        assert_eq!(
            message(b"one\ntwo \xff"),
            "the body is not UTF-8 at line 2, column 5"
        );
    }
}
