//! Requests and answers of Redis' protocol, cut out of what comes on a connection.

use anyhow::{Result, ensure};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// Takes one request or one answer off a connection; what was read after it stays in the buffer.
pub(crate) async fn next_frame(
    stream: &mut OwnedReadHalf,
    buffer: &mut Vec<u8>,
) -> Result<Vec<u8>> {
    loop {
        if let Some(length) = frame_length(buffer) {
            let rest = buffer.split_off(length);
            return Ok(std::mem::replace(buffer, rest));
        }
        let mut chunk = vec![0; CHUNK];
        let length = stream.read(&mut chunk).await?;
        ensure!(length > 0, "the connection has ended");
        buffer.extend(chunk.iter().take(length));
    }
}

/// The length of the first value in the buffer, in Redis' protocol; `None` where it is not whole.
fn frame_length(buffer: &[u8]) -> Option<usize> {
    let line = buffer.windows(2).position(|two| two == b"\r\n")?;
    let (kind, number) = buffer.get(..line)?.split_first()?;
    let number = str::from_utf8(number)
        .ok()
        .and_then(|text| text.parse::<i64>().ok());
    let number = usize::try_from(number.unwrap_or_default()).ok();
    let mut length = line + 2;
    match (kind, number) {
        (b'$', Some(bytes)) => length += bytes + 2,
        (b'*', Some(values)) => {
            for _ in 0..values {
                length += frame_length(buffer.get(length..)?)?;
            }
        }
        _ => {}
    }
    (length <= buffer.len()).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_ends_where_its_last_value_does() {
        for whole in [
            "+OK\r\n",
            ":12\r\n",
            "$3\r\na\r\n\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "*0\r\n",
        ] {
            assert_eq!(frame_length(whole.as_bytes()), Some(whole.len()), "{whole}");
            let nested = format!("*2\r\n{whole}*1\r\n$1\r\nx\r\n");
            let followed = format!("{nested}+OK\r\n");
            assert_eq!(frame_length(followed.as_bytes()), Some(nested.len()));
            for end in 0..nested.len() {
                assert_eq!(frame_length(&nested.as_bytes()[..end]), None, "{nested}");
            }
        }
    }
}
