//! Text that people read: from outside, bounded before it goes into an error, an answer or a log; and
//! numbers of things.

use std::fmt::Display;

/// The longest text from outside that enters an error, in bytes.
pub const MAX_TEXT_BYTES: usize = 1000;

/// The longest start of `text` that has at most [`MAX_TEXT_BYTES`].
pub fn clip(text: &str) -> &str {
    clip_to(text, MAX_TEXT_BYTES)
}

/// The longest start of `text` that has at most `most` bytes.
pub fn clip_to(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// So many things: `1 object`, `2 objects`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {thing}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_things() {
        let counted = [0_u64, 1, 2].map(|number| counted(number, "object"));
        assert_eq!(counted, ["0 objects", "1 object", "2 objects"]);
    }

    #[test]
    fn a_text_is_cut_where_a_character_ends() {
        assert_eq!(clip_to("aé", 2), "a");
        assert_eq!(clip_to("aé", 3), "aé");
        assert_eq!(clip(&"x".repeat(5000)).len(), MAX_TEXT_BYTES);
    }
}
