//! Strings: as they stand in the document where nothing in them is escaped.

use std::borrow::Cow;

use super::error::Result;
use super::reader::Reader;

const CUT_SHORT: &str = "EOF while parsing a string";
const ENDS_IN_ESCAPE: &str = "unexpected end of hex escape";

impl<'de> Reader<'de> {
    /// A string, whose quote is the next byte.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'de, str>> {
        self.at += 1;
        let start = self.at;
        self.pass_plain();
        if self.peek() == b'"' {
            self.at += 1;
            return Ok(Cow::Borrowed(self.between(start, self.at - 1)));
        }
        self.escaped(start).map(Cow::Owned)
    }

    /// Passes over what stands for itself: to a quote, a backslash, a control character or the end.
    #[inline]
    fn pass_plain(&mut self) {
        let rest = self.rest();
        self.at += special(rest);
    }

    /// The rest of a string that has an escape, or is wrong.
    #[cold]
    fn escaped(&mut self, mut start: usize) -> Result<String> {
        let mut text = String::new();
        loop {
            text.push_str(self.between(start, self.at));
            if self.rest().is_empty() {
                return Err(self.wrong(CUT_SHORT));
            }
            let byte = self.peek();
            self.at += 1;
            match byte {
                b'"' => return Ok(text),
                b'\\' => text.push(self.escape()?),
                _ => {
                    return Err(self.wrong(
                        "control character (\\u0000-\\u001F) found while parsing a string",
                    ));
                }
            }
            start = self.at;
            self.pass_plain();
        }
    }

    /// What an escape stands for, after its backslash.
    fn escape(&mut self) -> Result<char> {
        if self.rest().is_empty() {
            return Err(self.wrong(CUT_SHORT));
        }
        let byte = self.peek();
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(self.wrong("invalid escape")),
        })
    }

    /// A character by its number, or by two where one is not enough.
    fn code_point(&mut self) -> Result<char> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) {
            return match char::from_u32(first) {
                Some(character) => Ok(character),
                None => Err(self.wrong("lone leading surrogate in hex escape")),
            };
        }
        for expected in *b"\\u" {
            if self.rest().is_empty() {
                return Err(self.wrong(CUT_SHORT));
            }
            let byte = self.peek();
            self.at += 1;
            if byte != expected {
                return Err(self.wrong(ENDS_IN_ESCAPE));
            }
        }
        let second = self.hexadecimal()?;
        let pair = second
            .checked_sub(0xdc00)
            .filter(|low| *low < 0x400)
            .and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + low));
        match pair {
            Some(character) => Ok(character),
            None => Err(self.wrong("lone leading surrogate in hex escape")),
        }
    }

    fn hexadecimal(&mut self) -> Result<u32> {
        let mut number = 0;
        for _ in 0..4 {
            if self.rest().is_empty() {
                return Err(self.wrong(CUT_SHORT));
            }
            let byte = self.peek();
            self.at += 1;
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.wrong("invalid escape"));
            };
            number = number << 4 | digit;
        }
        Ok(number)
    }
}

/// How many bytes stand for themselves in a string: eight are looked at in one step.
#[inline]
fn special(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::MAX / 255;
    let below = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word;
    let mut passed = 0;
    let (words, _) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (EACH * u64::from(b'"')), 1);
        let backslash = below(word ^ (EACH * u64::from(b'\\')), 1);
        let found = (below(word, 0x20) | quote | backslash) & (EACH << 7);
        if found != 0 {
            // The lowest byte that is marked is one; a higher one may be marked by its borrow.
            return passed + usize::try_from(found.trailing_zeros() / 8).unwrap_or(0);
        }
        passed += 8;
    }
    let last = bytes.get(passed..).unwrap_or_default();
    let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    passed + last.iter().position(is_special).unwrap_or(last.len())
}
