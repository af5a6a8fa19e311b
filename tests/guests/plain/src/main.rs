//! What programs do in plain Rust: `MODE` says which.

use std::error::Error;
use std::io::{Read, Write};

fn main() -> Result<(), Box<dyn Error>> {
    let mut body = String::new();
    std::io::stdin().read_to_string(&mut body)?;
    let mut stdout = std::io::stdout();
    match std::env::var("MODE")?.as_str() {
        "upper" => stdout.write_all(body.to_uppercase().as_bytes())?,
        "sort" => {
            let mut lines: Vec<&str> = body.lines().collect();
            lines.sort_unstable();
            writeln!(stdout, "{}", lines.join("\n"))?;
        }
        "json" => {
            let mut document: serde_json::Value = serde_json::from_str(&body)?;
            let seen = document.as_object().map_or(0, serde_json::Map::len);
            document["seen"] = seen.into();
            writeln!(stdout, "{document}")?;
        }
        mode => return Err(format!("no mode {mode:?}").into()),
    }
    Ok(())
}
