//! What is wrong with a document, in words that quote nothing of it: messages reach logs, and the
//! documents are configuration that may hold secrets.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

/// All that can be said of a reason that the type gave itself: it may quote the document.
const REFUSED: &str = "the transform's type refuses the value";

/// How such a reason begins where it quotes the type and nothing else.
const OF_THE_TYPE: &str = "data did not match any variant";

pub(super) type Result<T> = std::result::Result<T, Error>;

/// Boxed, so that what succeeds is handed on in few words.
#[derive(Debug)]
pub(super) struct Error(Box<Problem>);

#[derive(Debug)]
pub(super) struct Problem {
    pub(super) reason: Reason,
    /// Where it is, in bytes; `None` where the reader stands.
    pub(super) at: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Reason {
    /// The document is not JSON.
    Syntax(&'static str),
    /// It is not of the type.
    Data(String),
}

impl Error {
    #[cold]
    pub(super) fn syntax(reason: &'static str, at: usize) -> Self {
        Self(Box::new(Problem {
            reason: Reason::Syntax(reason),
            at: Some(at),
        }))
    }

    #[cold]
    fn data(reason: String) -> Self {
        Self(Box::new(Problem {
            reason: Reason::Data(reason),
            at: None,
        }))
    }

    #[cold]
    fn found(kind: &str, expected: &dyn Display) -> Self {
        Self::data(format!("found {kind}, expected {expected}"))
    }

    pub(super) fn problem(&self) -> &Problem {
        &self.0
    }
}

impl de::Error for Error {
    #[cold]
    fn custom<T: Display>(reason: T) -> Self {
        let reason = reason.to_string();
        Self::data(if reason.starts_with(OF_THE_TYPE) {
            reason
        } else {
            REFUSED.to_owned()
        })
    }

    #[cold]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::found(kind(found), &expected)
    }

    #[cold]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::found(kind(found), &expected)
    }

    #[cold]
    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::found("another length", &expected)
    }

    #[cold]
    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::found("an unknown variant", &OneOf(expected))
    }

    #[cold]
    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::found("an unknown field", &OneOf(expected))
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        Self::data(format!("missing field `{field}`"))
    }

    #[cold]
    fn duplicate_field(field: &'static str) -> Self {
        Self::data(format!("duplicate field `{field}`"))
    }
}

/// A value's kind, without the value.
fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        Unexpected::UnitVariant => "the name of a variant alone",
        _ => "another value",
    }
}

/// Names of which one is expected.
struct OneOf(&'static [&'static str]);

impl Display for OneOf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => formatter.write_str("none"),
            [first, others @ ..] => {
                write!(formatter, "`{first}`")?;
                for other in others {
                    write!(formatter, " or `{other}`")?;
                }
                Ok(())
            }
        }
    }
}

/// Nobody sees it: the message has a place, too.
impl Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match &self.0.reason {
            Reason::Syntax(reason) => reason,
            Reason::Data(reason) => reason,
        })
    }
}

impl std::error::Error for Error {}
