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

/// Documents that mutations begin with: every kind of value, the ends of numbers, all escapes.
const DOCUMENTS: [&str; 6] = [
    r#"{"size": 7, "mode": "Fast", "pair": [1, 2], "date": null}"#,
    r#"[{"size":255},[1,null,null,null],{"size":0,"pair":null}]"#,
    r#"[0, -0, 1.5, -2e3, 1E-2, 18446744073709551615, 18446744073709551616, -9223372036854775808]"#,
    r#"{"a\u00e9\n\t\"\\\/\b\f\r": "\ud83d\ude00 \u0000", "": [true, false, null, {}, []]}"#,
    "[[[[{\"deep\": [[[\"x\"]]]}]]]] \r\n\t ",
    r#""one string that is longer than eight bytes, with é and 漢字""#,
];

/// Bytes that mutations put in: what JSON is made of, and what it is not.
const PIECES: &[u8] = b"{}[]:,\"\\/ntrue-+.eE0123456789ud \n\x01a";

#[derive(Debug, Deserialize, PartialEq)]
struct Loose {
    size: Option<f64>,
    mode: Option<serde_json::Value>,
    pair: Option<Vec<i64>>,
}

/// What both come to, as far as it can be compared.
fn agree<T: DeserializeOwned + std::fmt::Debug + PartialEq>(document: &str) {
    let theirs = serde_json::from_str::<T>(document);
    let ours = parse::<T>(document.as_bytes());
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{document}"),
        (Err(_), Err(_)) => {}
        (Err(error), Ok(_)) if error.to_string().ends_with("hex escape") => {}
        _ => panic!("{document:?}: {ours:?}, but {theirs:?}"),
    }
}

#[test]
fn whatever_the_document_it_is_taken_or_refused_as_serde_json_does() {
    let mut number = 1_u32;
    let mut random = |below: usize| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (number >> 8) as usize % below
    };
    for round in 0..30_000 {
        let mut document = DOCUMENTS[round % DOCUMENTS.len()].as_bytes().to_vec();
        for _ in 0..random(4) {
            let at = random(document.len());
            match random(3) {
                0 => document[at] = PIECES[random(PIECES.len())],
                1 => document.insert(at, PIECES[random(PIECES.len())]),
                _ => drop(document.remove(at)),
            }
        }
        let Ok(document) = String::from_utf8(document) else {
            continue;
        };
        agree::<serde_json::Value>(&document);
        agree::<serde::de::IgnoredAny>(&document);
        agree::<Vec<Loose>>(&document);
        agree::<Loose>(&document);
        agree::<String>(&document);
        agree::<std::collections::BTreeMap<String, serde_json::Value>>(&document);
    }
}

#[test]
fn a_value_may_be_kept_as_it_is_written() -> Result<()> {
    let body = r#"{"a": [1,  "x\n"]}"#;
    let kept: std::collections::BTreeMap<&str, &serde_json::value::RawValue> =
        parse(body.as_bytes())?;
    assert_eq!(kept["a"].get(), r#"[1,  "x\n"]"#);
    Ok(())
}

#[test]
fn keys_may_be_numbers_booleans_and_variants() -> Result<()> {
    type Keyed = std::collections::BTreeMap<i8, std::collections::BTreeMap<bool, Vec<Mode>>>;
    let keyed: Keyed = parse(br#"{"-1": {"true": ["Fast", {"Fast": null}]}}"#)?;
    assert_eq!(keyed[&-1][&true].len(), 2);
    assert_eq!(
        message::<Keyed>(r#"{"secret": {}}"#),
        "the body is not JSON at line 1, column 2: expected a number in quotes as the key"
    );
    Ok(())
}

#[test]
fn arrays_deeper_than_serde_json_takes_are_refused_and_not_where_they_are_ignored() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [127, 128, 100_000] {
        agree::<serde::de::IgnoredAny>(&nested(depth));
    }
    for depth in [127, 128] {
        agree::<serde_json::Value>(&nested(depth));
    }
}
