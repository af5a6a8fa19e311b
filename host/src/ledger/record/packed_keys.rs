//! A list of Redis keys in few bytes.

/// A list of keys, which mostly begin alike: of each, how many bytes it has in common with the one before
/// (one byte), how many follow (one byte, or 255 and two bytes), and those.
pub(super) fn pack(keys: &[&str]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut last: &[u8] = &[];
    for key in keys {
        let key = key.as_bytes();
        let alike = key.iter().zip(last).take_while(|(one, other)| one == other);
        let shared = u8::try_from(alike.count()).unwrap_or(u8::MAX);
        let rest = key.get(usize::from(shared)..).unwrap_or_default();
        packed.push(shared);
        match u8::try_from(rest.len()) {
            Ok(length) if length < u8::MAX => packed.push(length),
            _ => {
                packed.push(u8::MAX);
                // No key has 16 KiB.
                let length = u16::try_from(rest.len()).unwrap_or(u16::MAX);
                packed.extend(length.to_be_bytes());
            }
        }
        packed.extend(rest);
        last = key;
    }
    packed
}

/// The keys of such a list.
pub(super) fn unpack(packed: &[u8]) -> Vec<String> {
    let (mut keys, mut last, mut rest) = (Vec::new(), Vec::new(), packed);
    while let Some((key, after)) = unpack_one(&last, rest) {
        keys.push(String::from_utf8_lossy(&key).into_owned());
        (last, rest) = (key, after);
    }
    keys
}

fn unpack_one<'a>(last: &[u8], packed: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
    let ([shared, length], mut rest) = packed.split_first_chunk()?;
    let mut length = usize::from(*length);
    if length == usize::from(u8::MAX) {
        let (long, after) = rest.split_first_chunk()?;
        (length, rest) = (usize::from(u16::from_be_bytes(*long)), after);
    }
    let (end, rest) = rest.split_at_checked(length)?;
    Some(([last.get(..usize::from(*shared))?, end].concat(), rest))
}
