//! Requests and answers, cut out of what comes on a connection.

use anyhow::{Result, ensure};
use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// That of Redis.
    Redis,
    /// HTTP/1.1, with bodies of a known length.
    Http,
}

/// The requests, or the answers, on a connection.
pub(crate) struct Frames {
    stream: OwnedReadHalf,
    /// What was read and is no whole frame.
    buffer: BytesMut,
    length: fn(&[u8]) -> Option<usize>,
}

impl Frames {
    /// Requests, each whole.
    pub(crate) fn of_requests(stream: OwnedReadHalf, protocol: Protocol) -> Self {
        let length = match protocol {
            Protocol::Redis => redis_length,
            Protocol::Http => http_length,
        };
        Self::new(stream, length)
    }

    /// Answers: those of Redis each whole, those over HTTP as they come.
    pub(crate) fn of_answers(stream: OwnedReadHalf, protocol: Protocol) -> Self {
        let length = match protocol {
            Protocol::Redis => redis_length,
            Protocol::Http => |buffer: &[u8]| (!buffer.is_empty()).then_some(buffer.len()),
        };
        Self::new(stream, length)
    }

    fn new(stream: OwnedReadHalf, length: fn(&[u8]) -> Option<usize>) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            length,
        }
    }

    /// The next one. What was read is kept where this is dropped before its end.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(frame) = self.ready() {
                return Ok(frame);
            }
            self.buffer.reserve(CHUNK);
            let length = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(length > 0, "the connection has ended");
        }
    }

    /// The next one, where it has been read with one before.
    pub(crate) fn ready(&mut self) -> Option<Vec<u8>> {
        let length = (self.length)(&self.buffer)?;
        Some(self.buffer.split_to(length).into())
    }

    /// What has come after the last one, and the connection.
    pub(crate) fn into_parts(self) -> (BytesMut, OwnedReadHalf) {
        (self.buffer, self.stream)
    }
}

/// The length of the first request in the buffer, in HTTP; `None` where it is not whole.
fn http_length(buffer: &[u8]) -> Option<usize> {
    let end = buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let body: usize = length.map_or(Some(0), |length| length.trim().parse().ok())?;
    let whole = end + 4 + body;
    (whole <= buffer.len()).then_some(whole)
}

/// The length of the first value in the buffer, in Redis' protocol; `None` where it is not whole.
fn redis_length(buffer: &[u8]) -> Option<usize> {
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
                length += redis_length(buffer.get(length..)?)?;
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
            assert_eq!(redis_length(whole.as_bytes()), Some(whole.len()), "{whole}");
            let nested = format!("*2\r\n{whole}*1\r\n$1\r\nx\r\n");
            let followed = format!("{nested}+OK\r\n");
            assert_eq!(redis_length(followed.as_bytes()), Some(nested.len()));
            for end in 0..nested.len() {
                assert_eq!(redis_length(&nested.as_bytes()[..end]), None, "{nested}");
            }
        }
    }

    #[test]
    fn a_request_over_http_ends_with_its_body() {
        let get = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        assert_eq!(http_length(get), Some(get.len()));
        let put = b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(http_length(put), Some(put.len()));
        assert_eq!(http_length(&put[..put.len() - 1]), None);
        assert_eq!(http_length(&get[..get.len() - 1]), None);
    }
}
