//! The inside of arrays, objects and variants.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::deserializer::AS_WRITTEN;
use super::error::{Error, Result};
use super::key::Key;
use super::reader::Reader;

/// How far an array or an object is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Unread,
    Begun,
    Over,
}

impl Content {
    /// Takes note of whether another element has followed.
    fn after(&mut self, has_next: bool) -> bool {
        *self = if has_next { Self::Begun } else { Self::Over };
        has_next
    }
}

/// The elements of an array.
pub(super) struct Elements<'a, 'de> {
    pub(super) reader: &'a mut Reader<'de>,
    pub(super) content: &'a mut Content,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let is_first = *self.content == Content::Unread;
        if *self.content == Content::Over
            || !self.content.after(self.reader.next_element(is_first)?)
        {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// The fields of an object.
pub(super) struct Fields<'a, 'de> {
    pub(super) reader: &'a mut Reader<'de>,
    pub(super) content: &'a mut Content,
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let is_first = *self.content == Content::Unread;
        if *self.content == Content::Over || !self.content.after(self.reader.next_key(is_first)?) {
            return Ok(None);
        }
        seed.deserialize(Key(self.reader)).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        self.reader.colon()?;
        seed.deserialize(&mut *self.reader)
    }
}

/// The name of a variant, and what follows it within an object.
pub(super) struct Name<'a, 'de> {
    pub(super) reader: &'a mut Reader<'de>,
    pub(super) has_content: bool,
}

impl<'de> EnumAccess<'de> for Name<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        if !self.has_content {
            return Ok((seed.deserialize(&mut *self.reader)?, self));
        }
        if !self.reader.next_key(true)? {
            return Err(self.reader.wrong("expected value"));
        }
        let variant = seed.deserialize(Key(self.reader))?;
        self.reader.colon()?;
        Ok((variant, self))
    }
}

impl Name<'_, '_> {
    fn needs_content(&self, expected: &'static str) -> Result<()> {
        if self.has_content {
            return Ok(());
        }
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &expected))
    }
}

impl<'de> VariantAccess<'de> for Name<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        if self.has_content {
            return Deserialize::deserialize(self.reader);
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        self.needs_content("newtype variant")?;
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value> {
        self.needs_content("tuple variant")?;
        self.reader.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.needs_content("struct variant")?;
        self.reader.deserialize_struct("", fields, visitor)
    }
}

/// A value as it is written, in the form in which `serde_json` takes it.
pub(super) struct AsWritten<'de>(pub(super) Option<&'de str>);

impl<'de> MapAccess<'de> for AsWritten<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if self.0.is_none() {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(AS_WRITTEN))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let text = self.0.take().unwrap_or_default();
        seed.deserialize(BorrowedStrDeserializer::new(text))
    }
}
