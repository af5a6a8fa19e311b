use std::cmp::Ordering;
use std::fmt;
use std::slice;
use std::vec;

/// Keys with what they stand for, in the order of the keys, each once. A list that is in order already,
/// as one that comes out of a map is, is taken as it is.
///
/// ```
/// use redis_sync_guest::Sorted;
///
/// let sorted: Sorted<&str, u8> = [("b", 1), ("a", 2), ("b", 3)].into_iter().collect();
/// assert_eq!(sorted.get(&"b"), Some(&3));
/// assert_eq!(sorted.into_iter().collect::<Vec<_>>(), [("a", 2), ("b", 3)]);
/// ```
#[derive(Clone, PartialEq)]
pub struct Sorted<K, V>(Vec<(K, V)>);

impl<K, V> Sorted<K, V> {
    /// What a key stands for.
    pub fn get(&self, key: &K) -> Option<&V>
    where
        K: Ord,
    {
        let place = self.0.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// All of them, in order.
    pub fn iter(&self) -> slice::Iter<'_, (K, V)> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of several with one key, the last one stays.
impl<K: Ord, V> FromIterator<(K, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        let items: Vec<(K, V)> = items.into_iter().collect();
        if items.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Self(items);
        }
        let order = order(
            items.len(),
            &|one, other| match (items.get(one), items.get(other)) {
                (Some((one, _)), Some((other, _))) => one.cmp(other),
                _ => Ordering::Equal,
            },
        );
        let mut items: Vec<Option<(K, V)>> = items.into_iter().map(Some).collect();
        let mut sorted: Vec<(K, V)> = Vec::with_capacity(items.len());
        for place in order {
            let Some(item) = items.get_mut(place).and_then(Option::take) else {
                continue;
            };
            match sorted.last_mut() {
                Some(last) if last.0 == item.0 => *last = item,
                _ => sorted.push(item),
            }
        }
        Self(sorted)
    }
}

impl<K, V> IntoIterator for Sorted<K, V> {
    type Item = (K, V);
    type IntoIter = vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Sorted<K, V> {
    type Item = &'a (K, V);
    type IntoIter = slice::Iter<'a, (K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Sorted<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.iter().map(|(key, value)| (key, value));
        formatter.debug_map().entries(items).finish()
    }
}

/// The places of so many items in their order, equal ones as they stood: a heap sort. The standard library's
/// sort is faster where much is out of order, and is compiled into a plugin once for each type that is
/// sorted, 6 KB each time.
pub(crate) fn order(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let is_before = |one: usize, other: usize| compare(one, other).then(one.cmp(&other)).is_lt();
    let mut heap: Vec<usize> = (0..length).collect();
    for root in (0..length / 2).rev() {
        sink(&mut heap, root, &is_before);
    }
    for end in (1..length).rev() {
        if let Some(rest) = heap.get_mut(..=end) {
            rest.swap(0, end);
        }
        if let Some(rest) = heap.get_mut(..end) {
            sink(rest, 0, &is_before);
        }
    }
    heap
}

/// Moves what is at `root` down, until nothing below it comes after it.
fn sink(heap: &mut [usize], mut root: usize, is_before: &dyn Fn(usize, usize) -> bool) {
    loop {
        let left = 2 * root + 1;
        let (Some(&here), Some(&child)) = (heap.get(root), heap.get(left)) else {
            return;
        };
        let (below, last) = match heap.get(left + 1) {
            Some(&right) if is_before(child, right) => (left + 1, right),
            _ => (left, child),
        };
        if !is_before(here, last) {
            return;
        }
        heap.swap(root, below);
        root = below;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_is_what_a_map_of_the_same_would_be() {
        // Numbers without a pattern, with many that come again.
        let items = |count: u32| {
            (0..count).map(move |place| (place.wrapping_mul(2_654_435_761) >> 24, place))
        };
        for count in 0..300 {
            let map: BTreeMap<u32, u32> = items(count).collect();
            let sorted: Sorted<u32, u32> = items(count).collect();
            assert!(sorted.iter().copied().eq(map), "{count}");
        }
    }
}
