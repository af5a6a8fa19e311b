//! Which objects a full sync goes through.

/// A place that no key comes before but one of control characters alone.
const FRONT: &str = "\u{1}";

/// A stretch of the bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// What the keys of its objects begin with.
    prefix: String,
    /// Whether only the object is meant that has just this key.
    exact: bool,
    /// Only objects after this key.
    after: Option<String>,
}

impl Span {
    /// The objects whose keys begin so.
    pub fn under(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            exact: false,
            after: None,
        }
    }

    /// Those of them that come after this key; all where it is empty.
    #[must_use]
    pub fn after(self, key: String) -> Self {
        let after = Some(key).filter(|key| !key.is_empty());
        Self { after, ..self }
    }

    /// The one object of that key.
    pub fn only(key: impl Into<String>) -> Self {
        Self {
            prefix: key.into(),
            exact: true,
            after: None,
        }
    }

    /// What the keys of its objects begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key after which it begins, if it does not begin with its prefix.
    pub(super) fn begins_after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// A place before all of its objects. It is not empty: whoever goes on there has begun before.
    pub(super) fn front(&self) -> &str {
        match &self.after {
            Some(after) => after,
            None if self.prefix.is_empty() => FRONT,
            None => &self.prefix,
        }
    }

    /// Whether it is one object.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether an object is in it by its key; where the span begins is not looked at.
    pub(super) fn has(&self, key: &str) -> bool {
        if self.exact {
            key == self.prefix
        } else {
            key.starts_with(&self.prefix)
        }
    }

    /// Whether all of `other` lies within this one, by their keys.
    pub(super) fn covers(&self, other: &Self) -> bool {
        *self == *other || !self.exact && other.prefix.starts_with(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_covers_what_lies_within_it() {
        let under = Span::under("a/");
        assert!(under.covers(&Span::under("a/b/")) && under.covers(&Span::only("a/b")));
        assert!(!under.covers(&Span::under("a")) && !under.covers(&Span::only("a")));
        assert!(Span::only("a").covers(&Span::only("a")));
        assert!(!Span::only("a").covers(&Span::under("a")));
        assert!(Span::under("").covers(&under));
    }

    /// A sync that goes on where it began has begun.
    #[test]
    fn the_front_of_a_span_is_a_place() {
        assert_eq!(Span::under("a/").front(), "a/");
        assert_eq!(Span::under("a/").after("a/b".to_owned()).front(), "a/b");
        assert!(!Span::under("").front().is_empty());
    }

    #[test]
    fn a_span_begins_with_its_prefix_or_after_a_key_that_is_not_empty() {
        let begins = |after: &str| {
            let span = Span::under("a/").after(after.to_owned());
            assert_eq!(span.prefix(), "a/");
            span.begins_after().map(str::to_owned)
        };
        assert_eq!(begins(""), None);
        assert_eq!(begins("a/b"), Some("a/b".to_owned()));
    }
}
