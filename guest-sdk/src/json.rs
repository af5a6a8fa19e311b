use anyhow::anyhow;
use serde::Deserialize;
use serde_json::error::Category;

use crate::{Error, Result};

/// Reasons that quote the type and nothing of the document.
const OF_THE_TYPE: &[&str] = &[
    "missing field `",
    "duplicate field `",
    "data did not match any variant",
];

/// How serde's reasons begin before ", expected", and what it stands for.
const KINDS_OF_MISFIT: &[(&str, &str)] = &[
    ("unknown field `", "an unknown field"),
    ("unknown variant `", "an unknown variant"),
    ("invalid length ", "another length"),
];

/// How serde names a value, before the value itself.
const KINDS_OF_VALUE: &[(&str, &str)] = &[
    ("string", "a string"),
    ("integer", "an integer"),
    ("floating point", "a number"),
    ("number", "a number"),
    ("boolean", "a boolean"),
    ("null", "null"),
    ("map", "an object"),
    ("sequence", "an array"),
];

/// All that can be said of a reason that the type gave itself: it may quote the document.
const REFUSED: &str = "the transform's type refuses the value";

pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| placed(&error))
}

/// The error with its place and without what it quotes: messages reach logs, and the documents
/// are configuration that may hold secrets.
fn placed(error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = text.strip_suffix(&place).unwrap_or(&text);
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Io | Category::Syntax | Category::Eof => {
            anyhow!("the body is not JSON at {place}: {reason}")
        }
        Category::Data => anyhow!("unexpected JSON at {place}: {}", without_quotes(reason)),
    }
}

/// serde's own reasons less the part that quotes the document; of any other reason, nothing.
fn without_quotes(reason: &str) -> String {
    if OF_THE_TYPE.iter().any(|start| reason.starts_with(start)) {
        return reason.to_owned();
    }
    match reason.rsplit_once(", expected ") {
        Some((found, expected)) => match kind(found) {
            Some(kind) => format!("found {kind}, expected {expected}"),
            None => REFUSED.to_owned(),
        },
        None => REFUSED.to_owned(),
    }
}

fn kind(found: &str) -> Option<&'static str> {
    let value = found
        .strip_prefix("invalid type: ")
        .or(found.strip_prefix("invalid value: "));
    let (found, kinds) = match value {
        Some(value) => (value, KINDS_OF_VALUE),
        None => (found, KINDS_OF_MISFIT),
    };
    kinds
        .iter()
        .find(|(start, _)| found.starts_with(start))
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use serde::de::{DeserializeOwned, Error as _};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsing it matters")]
    struct Limits {
        size: u8,
        mode: Option<Mode>,
        pair: Option<(u8, u8)>,
        date: Option<Date>,
    }

    #[derive(Debug, Deserialize)]
    enum Mode {
        Fast,
    }

    #[derive(Debug)]
    struct Date;

    impl<'de> Deserialize<'de> for Date {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(D::Error::custom(format!(
                "{text} is no date, expected {text}"
            )))
        }
    }

    fn message<T: DeserializeOwned>(body: &str) -> String {
        parse::<T>(body.as_bytes())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn what_is_not_json_is_placed() {
        assert_eq!(
            message::<Limits>("{\n  \"size\": 1,\n}"),
            "the body is not JSON at line 3, column 1: trailing comma"
        );
        assert_eq!(
            message::<Limits>(""),
            "the body is not JSON at line 1, column 0: EOF while parsing a value"
        );
    }

    #[test]
    fn what_the_type_says_is_told() {
        assert_eq!(
            message::<Limits>("{}"),
            "unexpected JSON at line 1, column 2: missing field `size`"
        );
        assert_eq!(
            message::<Limits>("[]"),
            "unexpected JSON at line 1, column 2: found another length, \
             expected struct Limits with 4 elements"
        );
    }

    #[test]
    fn no_message_quotes_the_document() {
        let bodies = [
            r#"{"size": "secret"}"#,
            r#"{"size": "secret, expected secret"}"#,
            r#"{"size": 73737373}"#,
            r#"{"secret": 1}"#,
            r#"{"secret, expected secret": 1}"#,
            r#"{"size": 1, "mode": "secret"}"#,
            r#"{"size": 1, "date": "secret"}"#,
            r#"{"size": 1, "date": "invalid date, expected secret"}"#,
            r#"{"size": 1, "pair": "missing field `secret`"}"#,
        ];
        for body in bodies {
            let message = message::<Limits>(body);
            assert!(
                message.starts_with("unexpected JSON at line 1, column "),
                "{message}"
            );
            assert!(
                !message.contains("secret") && !message.contains("7373"),
                "{message}"
            );
        }
    }

    #[test]
    fn what_was_found_is_named_by_its_kind() {
        assert_eq!(
            message::<Limits>(r#"{"size": "secret"}"#),
            "unexpected JSON at line 1, column 17: found a string, expected u8"
        );
        assert_eq!(
            message::<Limits>(r#"{"size": 1, "mode": "Slow"}"#),
            "unexpected JSON at line 1, column 26: found an unknown variant, expected `Fast`"
        );
    }
}
