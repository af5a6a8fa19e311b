//! What serde asks for, out of the pieces of a document.

use std::borrow::Cow;

use serde::Deserializer;
use serde::de::{self, Unexpected, Visitor};

use super::access::{Content, Elements, Fields, Name};
use super::error::{Error, Result};
use super::reader::Reader;
#[cfg(target_family = "wasm")]
use crate::guest::owned;

/// A copy of a text, as the standard library makes it where that is fast.
#[cfg(not(target_family = "wasm"))]
fn owned(text: &str) -> String {
    text.to_owned()
}

/// The name under which `serde_json` asks for a value as it is written.
pub(super) const AS_WRITTEN: &str = "$serde_json::private::RawValue";

impl<'de> Reader<'de> {
    /// An error that says what is there instead, which is passed over.
    #[cold]
    fn mismatch<V: Visitor<'de>>(&mut self, visitor: &V) -> Error {
        self.found_instead(visitor)
    }

    fn found_instead(&mut self, expected: &dyn de::Expected) -> Error {
        let found = match self.peek() {
            b'n' => self.word("null").map(|()| Unexpected::Unit),
            b't' => self.word("true").map(|()| Unexpected::Bool(true)),
            b'f' => self.word("false").map(|()| Unexpected::Bool(false)),
            b'-' | b'0'..=b'9' => self.number().map(|number| number.kind()),
            b'"' => self.string().map(|_| Unexpected::Str("")),
            b'[' => Ok(Unexpected::Seq),
            b'{' => Ok(Unexpected::Map),
            _ => Err(self.no_value()),
        };
        match found {
            Ok(found) => de::Error::invalid_type(found, expected),
            Err(error) => error,
        }
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.enter()?;
        let mut state = Content::Unread;
        let value = visitor.visit_seq(Elements {
            reader: self,
            content: &mut state,
        })?;
        // Whoever knows the number of elements does not ask for more.
        if state != Content::Over && self.next_element(state == Content::Unread)? {
            return Err(self.unexpected("trailing characters", "EOF while parsing a list"));
        }
        self.leave();
        Ok(value)
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.enter()?;
        let mut state = Content::Unread;
        let value = visitor.visit_map(Fields {
            reader: self,
            content: &mut state,
        })?;
        if state != Content::Over && self.next_key(state == Content::Unread)? {
            return Err(self.unexpected("trailing characters", "EOF while parsing an object"));
        }
        self.leave();
        Ok(value)
    }

    /// A string to whoever may borrow it.
    fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        if self.peek_value() != b'"' {
            return Err(self.mismatch(&visitor));
        }
        match self.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn whole_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.peek_value() {
            b'-' | b'0'..=b'9' => self.number()?.visit_whole(visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn any_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.peek_value() {
            b'-' | b'0'..=b'9' => self.number()?.visit(self, visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    /// The text of a whole number of any size.
    fn digits_of_any_number(&mut self) -> Result<&'de str> {
        match self.peek_value() {
            b'-' | b'0'..=b'9' => Ok(self.number()?.text()),
            _ => Err(self.unexpected("invalid number", "EOF while parsing a value")),
        }
    }

    /// A value as it is written.
    fn as_written<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.peek_value();
        let start = self.at;
        self.ignore()?;
        let text = self.between(start, self.at);
        visitor.visit_map(super::access::AsWritten(Some(text)))
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.whole_number(visitor)
        }
    )*};
}

macro_rules! like {
    ($($method:ident: $other:ident $(($($argument:ident: $kind:ty),*))?),* $(,)?) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($($argument: $kind,)*)? visitor: V) -> Result<V::Value> {
            $($(let _ = $argument;)*)?
            self.$other(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek_value() {
            b'"' => self.text(visitor),
            b'{' => self.object(visitor),
            b'[' => self.array(visitor),
            b'-' | b'0'..=b'9' => self.any_number(visitor),
            b't' | b'f' => self.deserialize_bool(visitor),
            b'n' => self.deserialize_unit(visitor),
            _ => Err(self.no_value()),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek_value() {
            b't' => {
                self.word("true")?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.word("false")?;
                visitor.visit_bool(false)
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek_value() {
            b'n' => {
                self.word("null")?;
                visitor.visit_unit()
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek_value() {
            b'n' => {
                self.word("null")?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    whole_numbers!(
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    );

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.digits_of_any_number()?.parse() {
            Ok(number) => visitor.visit_i128(number),
            Err(_) => Err(self.wrong("number out of range")),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.digits_of_any_number()?.parse() {
            Ok(number) => visitor.visit_u128(number),
            Err(_) => Err(self.wrong("number out of range")),
        }
    }

    /// A string to whoever keeps it.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek_value() != b'"' {
            return Err(self.mismatch(&visitor));
        }
        visitor.visit_string(match self.string()? {
            Cow::Borrowed(text) => owned(text),
            Cow::Owned(text) => text,
        })
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek_value() {
            b'[' => self.array(visitor),
            b'"' => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
                Cow::Owned(text) => visitor.visit_byte_buf(text.into_bytes()),
            },
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek_value() {
            b'[' => self.array(visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek_value() {
            b'{' => self.object(visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    /// An object, or its fields in order.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.peek_value() {
            b'{' => self.object(visitor),
            b'[' => self.array(visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    /// The name of a variant, or an object with that name as its one key.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.peek_value() {
            b'"' => visitor.visit_enum(Name {
                reader: self,
                has_content: false,
            }),
            b'{' => {
                self.enter()?;
                let value = visitor.visit_enum(Name {
                    reader: self,
                    has_content: true,
                })?;
                if self.peek_value() != b'}' {
                    return Err(self.unexpected("expected value", "EOF while parsing an object"));
                }
                self.at += 1;
                self.leave();
                Ok(value)
            }
            _ => Err(self.no_value()),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        if name == AS_WRITTEN {
            return self.as_written(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.ignore()?;
        visitor.visit_unit()
    }

    like!(
        deserialize_f32: any_number,
        deserialize_f64: any_number,
        deserialize_char: text,
        deserialize_str: text,
        deserialize_identifier: text,
        deserialize_byte_buf: deserialize_bytes,
        deserialize_unit_struct: deserialize_unit(name: &'static str),
        deserialize_tuple: deserialize_seq(length: usize),
        deserialize_tuple_struct: deserialize_seq(name: &'static str, length: usize),
    );
}
