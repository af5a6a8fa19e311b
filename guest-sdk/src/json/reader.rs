//! Reads the pieces that JSON is made of.

use super::error::{Error, Result};

/// How deep arrays and objects may lie within one another, as in `serde_json`.
const MAX_DEPTH: u8 = 127;

/// A document, and how far it is read.
pub(super) struct Reader<'de> {
    text: &'de str,
    /// The next byte.
    pub(super) at: usize,
    /// Arrays and objects that may still be entered within one another.
    depth: u8,
}

impl<'de> Reader<'de> {
    pub(super) fn new(text: &'de str) -> Self {
        Self {
            text,
            at: 0,
            depth: MAX_DEPTH,
        }
    }

    /// The next byte, which stays. There is no NUL in a document outside of its strings, so that is
    /// its end.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The byte after that.
    #[inline]
    fn peek_second(&self) -> u8 {
        self.text.as_bytes().get(self.at + 1).copied().unwrap_or(0)
    }

    /// The next byte after white space.
    #[inline]
    pub(super) fn peek_value(&mut self) -> u8 {
        loop {
            match self.peek() {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return byte,
            }
        }
    }

    /// What lies between two places that the reader has been at.
    #[inline]
    pub(super) fn between(&self, start: usize, end: usize) -> &'de str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn rest(&self) -> &'de [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// An error at what was read last.
    #[cold]
    pub(super) fn wrong(&self, reason: &'static str) -> Error {
        Error::syntax(reason, self.at)
    }

    /// An error at the next byte, or, where there is none, the one that says so.
    #[cold]
    pub(super) fn unexpected(&self, reason: &'static str, at_end: &'static str) -> Error {
        if self.at >= self.text.len() {
            return Error::syntax(at_end, self.at);
        }
        Error::syntax(reason, self.at + 1)
    }

    /// An error at a byte that begins no value.
    #[cold]
    pub(super) fn no_value(&self) -> Error {
        self.unexpected("expected value", "EOF while parsing a value")
    }

    /// Nothing but white space may be left.
    pub(super) fn end(&mut self) -> Result<()> {
        self.peek_value();
        if self.at < self.text.len() {
            return Err(self.unexpected("trailing characters", ""));
        }
        Ok(())
    }

    /// One of the three words, whose first byte is the next.
    pub(super) fn word(&mut self, word: &'static str) -> Result<()> {
        for expected in word.bytes() {
            if self.at >= self.text.len() {
                return Err(self.wrong("EOF while parsing a value"));
            }
            let byte = self.peek();
            self.at += 1;
            if byte != expected {
                return Err(self.wrong("expected ident"));
            }
        }
        Ok(())
    }

    /// Begins an array or an object.
    pub(super) fn enter(&mut self) -> Result<()> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(self.unexpected("recursion limit exceeded", ""));
        };
        self.depth = depth;
        self.at += 1;
        Ok(())
    }

    /// Has left it.
    pub(super) fn leave(&mut self) {
        self.depth += 1;
    }

    /// Whether another element of an array follows; its end is passed over.
    #[inline]
    pub(super) fn next_element(&mut self, is_first: bool) -> Result<bool> {
        // As most are written.
        if !is_first && self.peek() == b',' && self.peek_second() > b' ' {
            self.at += 1;
            if self.peek() != b']' {
                return Ok(true);
            }
            return Err(self.unexpected("trailing comma", ""));
        }
        self.spaced_element(is_first)
    }

    fn spaced_element(&mut self, is_first: bool) -> Result<bool> {
        match self.peek_value() {
            b']' => {
                self.at += 1;
                Ok(false)
            }
            b',' if !is_first => {
                self.at += 1;
                match self.peek_value() {
                    b']' => Err(self.unexpected("trailing comma", "")),
                    _ => Ok(true),
                }
            }
            0 => Err(self.unexpected("expected value", "EOF while parsing a list")),
            _ if is_first => Ok(true),
            _ => Err(self.unexpected("expected `,` or `]`", "")),
        }
    }

    /// Whether another key of an object follows, which is then next; the object's end is passed over.
    #[inline]
    pub(super) fn next_key(&mut self, is_first: bool) -> Result<bool> {
        // As most are written.
        if !is_first && self.peek() == b',' && self.peek_second() == b'"' {
            self.at += 1;
            return Ok(true);
        }
        self.spaced_key(is_first)
    }

    fn spaced_key(&mut self, is_first: bool) -> Result<bool> {
        let mut next = self.peek_value();
        if next == b'}' {
            self.at += 1;
            return Ok(false);
        }
        if !is_first {
            if next != b',' {
                return Err(self.unexpected("expected `,` or `}`", "EOF while parsing an object"));
            }
            self.at += 1;
            next = self.peek_value();
        }
        match next {
            b'"' => Ok(true),
            b'}' => Err(self.unexpected("trailing comma", "")),
            _ => Err(self.unexpected("key must be a string", "EOF while parsing an object")),
        }
    }

    /// What is between a key and its value.
    #[inline]
    pub(super) fn colon(&mut self) -> Result<()> {
        if self.peek_value() != b':' {
            return Err(self.unexpected("expected `:`", "EOF while parsing an object"));
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over a value, which is checked all the same. However deep it is, this does not call itself.
    pub(super) fn ignore(&mut self) -> Result<()> {
        let mut within = Vec::new();
        loop {
            match self.peek_value() {
                b'[' => within.push((b'[', true)),
                b'{' => within.push((b'{', true)),
                first => self.ignore_single(first)?,
            }
            // On to the next value within what is open.
            loop {
                let Some((kind, is_first)) = within.last_mut() else {
                    return Ok(());
                };
                let (is_object, is_first) = (*kind == b'{', std::mem::take(is_first));
                if is_first {
                    self.at += 1;
                }
                let has_next = if is_object {
                    self.next_key(is_first)?
                } else {
                    self.next_element(is_first)?
                };
                if has_next {
                    if is_object {
                        self.string()?;
                        self.colon()?;
                    }
                    break;
                }
                within.pop();
            }
        }
    }

    fn ignore_single(&mut self, first: u8) -> Result<()> {
        match first {
            b'n' => self.word("null"),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => Err(self.no_value()),
        }
    }
}
