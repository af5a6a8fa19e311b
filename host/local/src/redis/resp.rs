//! As much of Redis' protocol as it takes to see whether a server is up, and to set it up.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

/// Sends one command over a Unix socket and gives its answer as text. An error answer is an error.
pub(super) async fn command(socket: &Path, arguments: &[&str]) -> Result<String> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    let mut request = format!("*{}\r\n", arguments.len());
    for argument in arguments {
        request.push_str(&format!("${}\r\n{argument}\r\n", argument.len()));
    }
    stream.write_all(request.as_bytes()).await?;

    let header = line(&mut stream).await?;
    let (kind, rest) = header.split_at_checked(1).context("an empty answer")?;
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "-" => bail!("{rest}"),
        "$" if rest.starts_with('-') => Ok(String::new()),
        "$" => {
            let mut body = vec![0; rest.parse()?];
            stream.read_exact(&mut body).await?;
            Ok(String::from_utf8_lossy(&body).into_owned())
        }
        "*" => array(&mut stream, rest.parse()?).await,
        _ => bail!("not an answer of redis: {header}"),
    }
}

/// The elements of an array of strings and numbers, a line each.
async fn array(stream: &mut BufReader<UnixStream>, length: usize) -> Result<String> {
    let mut elements = Vec::new();
    for _ in 0..length {
        let header = line(stream).await?;
        match header.split_at_checked(1).context("an empty element")? {
            ("$", "-1") => elements.push(String::new()),
            ("$", _) => elements.push(line(stream).await?),
            ("+" | ":", text) => elements.push(text.to_owned()),
            _ => bail!("not an array of strings"),
        }
    }
    Ok(elements.join("\n"))
}

async fn line(stream: &mut BufReader<UnixStream>) -> Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        bail!("redis closed the connection");
    }
    Ok(line.trim_end_matches("\r\n").to_owned())
}
