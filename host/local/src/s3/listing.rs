//! One page of a listing, by the rules of `ListObjectsV2`.

use super::store::{Bucket, Object};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    /// Only keys that begin with it.
    pub(super) prefix: String,
    /// Keys that agree up to and with the first delimiter after the prefix become one common prefix.
    pub(super) delimiter: Option<String>,
    /// Only keys after it, in UTF-8 binary order.
    pub(super) after: Option<String>,
    /// The most keys and common prefixes to list.
    pub(super) limit: usize,
}

/// What is listed.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    /// Keys and their objects.
    pub(super) objects: Vec<(&'a str, &'a Object)>,
    /// Common prefixes.
    pub(super) common_prefixes: Vec<&'a str>,
    /// The last item, where there are more: what the next page is after.
    pub(super) next: Option<&'a str>,
}

impl<'a> Page<'a> {
    /// Lists what `query` asks for.
    pub(super) fn of(bucket: &'a Bucket, query: &Query) -> Self {
        let mut page = Self::default();
        let mut last = None;
        let from = query.after.as_deref().unwrap_or_default();
        let objects = bucket
            .objects_from(from.max(&query.prefix))
            .take_while(|(key, _)| key.starts_with(&query.prefix))
            .filter(|(key, _)| query.wants(key));
        for (key, object) in objects {
            let common_prefix = query.common_prefix(key);
            if common_prefix.is_some() && common_prefix == last {
                continue;
            }
            if page.objects.len() + page.common_prefixes.len() >= query.limit {
                page.next = last;
                break;
            }
            match common_prefix {
                Some(prefix) => page.common_prefixes.push(prefix),
                None => page.objects.push((key, object)),
            }
            last = Some(common_prefix.unwrap_or(key));
        }
        page
    }
}

impl Query {
    fn wants(&self, key: &str) -> bool {
        self.after.as_deref().is_none_or(|after| key > after) && !self.was_listed(key)
    }

    /// Whether the key is one of the common prefix that ended the page before.
    fn was_listed(&self, key: &str) -> bool {
        let common_prefix = self.common_prefix(key);
        common_prefix.is_some() && common_prefix == self.after.as_deref()
    }

    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref().filter(|it| !it.is_empty())?;
        let rest = key.get(self.prefix.len()..)?;
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        key.get(..end)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{super::store::Description, *};

    fn bucket(keys: &[&str]) -> Bucket {
        let mut bucket = Bucket::default();
        for key in keys {
            bucket.put(key, Bytes::new(), Description::default());
        }
        bucket
    }

    /// All pages of a listing, each as its keys and then its common prefixes.
    fn pages(keys: &[&str], mut query: Query) -> Vec<Vec<String>> {
        let bucket = bucket(keys);
        let mut pages = Vec::new();
        loop {
            let page = Page::of(&bucket, &query);
            let keys = page.objects.iter().map(|(key, _)| *key);
            let items = keys.chain(page.common_prefixes.iter().copied());
            pages.push(items.map(str::to_owned).collect());
            match page.next {
                Some(next) => query.after = Some(next.to_owned()),
                None => return pages,
            }
        }
    }

    #[test]
    fn keys_come_in_the_order_of_their_bytes() {
        let query = Query {
            limit: 10,
            ..Query::default()
        };
        let listed = pages(
            &["é", "b", "B", "a/b", "a b", "\u{10000}", "\u{ffff}"],
            query,
        );
        assert_eq!(
            listed,
            [["B", "a b", "a/b", "b", "é", "\u{ffff}", "\u{10000}"]]
        );
    }

    #[test]
    fn pages_hold_each_key_once() {
        let query = Query {
            prefix: String::from("a"),
            limit: 2,
            ..Query::default()
        };
        let listed = pages(&["a", "a1", "a2", "a3", "a4", "b"], query);
        assert_eq!(listed, [vec!["a", "a1"], vec!["a2", "a3"], vec!["a4"]]);
    }

    #[test]
    fn a_full_last_page_is_not_truncated() {
        let query = Query {
            limit: 2,
            ..Query::default()
        };
        assert_eq!(pages(&["a", "b"], query), [["a", "b"]]);
    }

    #[test]
    fn a_common_prefix_is_listed_once_over_all_pages() {
        let query = Query {
            prefix: String::from("p/"),
            delimiter: Some(String::from("/")),
            limit: 1,
            ..Query::default()
        };
        let listed = pages(&["p/a/1", "p/a/2", "p/b", "p/c/1", "q"], query);
        assert_eq!(listed, [["p/a/"], ["p/b"], ["p/c/"]]);
    }
}
