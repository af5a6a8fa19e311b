//! JSON for transforms: small when compiled, and nothing of it quotes the document.
//!
//! It takes what `serde_json` takes, and hands serde the same, with two exceptions. All of a document must
//! be text, as the standard has it, also what is passed over. Whoever asks for a whole number gets one or
//! an error, so that the tables of floating point are only in plugins that read it.

use anyhow::anyhow;
use serde::Deserialize;

use crate::{Error, Result, text};
use error::Reason;
use reader::Reader;

mod access;
mod deserializer;
mod error;
mod key;
mod number;
mod reader;
mod string;

pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    let body = text::parse(body)?;
    let mut reader = Reader::new(body);
    let value = T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| placed(&error, &reader, body))
}

/// The error with its place.
#[cold]
fn placed(error: &error::Error, reader: &Reader<'_>, body: &str) -> Error {
    let problem = error.problem();
    let at = problem.at.unwrap_or(reader.at).min(body.len());
    let before = body.as_bytes().get(..at).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count();
    match &problem.reason {
        Reason::Syntax(reason) => {
            anyhow!("the body is not JSON at line {line}, column {column}: {reason}")
        }
        Reason::Data(reason) => {
            anyhow!("unexpected JSON at line {line}, column {column}: {reason}")
        }
    }
}

#[cfg(test)]
mod tests;
