//! Numbers: whole ones as long as they fit, others as floating point.

use serde::de::{self, Unexpected, Visitor};

use super::error::{Error, Result};
use super::reader::Reader;

/// A number as it is written.
pub(super) struct Number<'de> {
    text: &'de str,
    is_negative: bool,
    /// Its digits, where it is whole and they fit.
    whole: Option<u64>,
}

impl<'de> Reader<'de> {
    /// A number, whose first byte is the next.
    pub(super) fn number(&mut self) -> Result<Number<'de>> {
        let start = self.at;
        let is_negative = self.peek() == b'-';
        if is_negative {
            self.at += 1;
        }
        let mut whole = Some(0_u64);
        let first = self.at;
        while let digit @ b'0'..=b'9' = self.peek() {
            self.at += 1;
            whole = whole
                .and_then(|number| number.checked_mul(10))
                .and_then(|number| number.checked_add(u64::from(digit - b'0')));
        }
        if self.at == first {
            return Err(self.no_digit());
        }
        if self.between(first, first + 1) == "0" && self.at > first + 1 {
            return Err(Error::syntax("invalid number", first + 2));
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
            whole = None;
        }
        if let b'e' | b'E' = self.peek() {
            self.at += 1;
            if let b'+' | b'-' = self.peek() {
                self.at += 1;
            }
            self.digits()?;
            whole = None;
        }
        Ok(Number {
            text: self.between(start, self.at),
            is_negative,
            whole,
        })
    }

    fn digits(&mut self) -> Result<()> {
        let first = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == first {
            return Err(self.no_digit());
        }
        Ok(())
    }

    #[cold]
    fn no_digit(&self) -> Error {
        self.unexpected("invalid number", "EOF while parsing a value")
    }
}

impl<'de> Number<'de> {
    /// Hands it to whoever may take one of any kind.
    #[inline]
    pub(super) fn visit<V: Visitor<'de>>(
        &self,
        reader: &Reader<'_>,
        visitor: V,
    ) -> Result<V::Value> {
        match (self.whole, self.is_negative) {
            (Some(number), false) => visitor.visit_u64(number),
            (Some(number), true) if number > 0 && number <= 1 << 63 => {
                visitor.visit_i64(0_i64.wrapping_sub_unsigned(number))
            }
            _ => visitor.visit_f64(self.float(reader)?),
        }
    }

    /// Hands it to whoever takes a whole one. Any other is refused here, so that nothing of floating
    /// point is linked where only whole numbers are read.
    #[inline]
    pub(super) fn visit_whole<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value> {
        match (self.whole, self.is_negative) {
            (Some(number), false) => visitor.visit_u64(number),
            (Some(number), true) if number > 0 && number <= 1 << 63 => {
                visitor.visit_i64(0_i64.wrapping_sub_unsigned(number))
            }
            _ => Err(de::Error::invalid_type(
                Unexpected::Float(f64::NAN),
                &visitor,
            )),
        }
    }

    pub(super) fn kind(&self) -> Unexpected<'static> {
        match self.whole {
            Some(number) => Unexpected::Unsigned(number),
            None => Unexpected::Float(0.0),
        }
    }

    fn float(&self, reader: &Reader<'_>) -> Result<f64> {
        match self.text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(reader.wrong("number out of range")),
        }
    }

    /// Its text, for whoever takes more than 64 bits.
    pub(super) fn text(&self) -> &'de str {
        self.text
    }
}
