//! What people and scripts get to see.

use crate::problem::Problem;
use anstream::adapter::strip_str;
use clap::builder::styling::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use console::Term;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

/// Something that was added, or is good.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
/// Something that was removed, or is bad.
pub(crate) const RED: Style = AnsiColor::Red.on_default();
/// Something to look at.
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Something beside the point.
pub(crate) const DIM: Style = Style::new().dimmed();
/// A headline.
pub(crate) const BOLD: Style = Style::new().bold();

/// Where a command writes: text for people, or JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Whether scripts read it.
    pub(crate) json: bool,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A line on stdout; nothing where scripts read it.
    pub(crate) fn say(&self, line: impl Display) {
        if !self.json {
            print(format_args!("{line}\n"));
        }
    }

    /// A line on stderr, beside the answer; nothing where scripts read it.
    pub(crate) fn remark(&self, line: impl Display) {
        if !self.json {
            let _ = writeln!(anstream::stderr(), "{line}");
        }
    }

    /// A document on stdout; nothing where people read it.
    pub(crate) fn document(&self, document: &Value) {
        if self.json {
            print(format_args!("{document:#}\n"));
        }
    }

    /// A line of JSON on stdout, of a command that goes on; nothing where people read it.
    pub(crate) fn event(&self, event: &Value) {
        if self.json {
            print(format_args!("{event}\n"));
        }
    }

    /// Why a command could not be carried out, on stderr.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let next = error.downcast_ref().map(|problem: &Problem| &problem.next);
        let mut stderr = anstream::stderr();
        let _ = if self.json {
            let document = json!({"error": format!("{error:#}"), "next": next});
            writeln!(stderr, "{document}")
        } else {
            writeln!(stderr, "{RED}error{RED:#}: {error:#}")
        };
        if let Some(next) = next
            && !self.json
        {
            let _ = writeln!(stderr, "{YELLOW}next{YELLOW:#}: {next}");
        }
    }
}

/// Why something that was to be printed on stdout was not.
static UNPRINTED: OnceLock<io::Error> = OnceLock::new();

/// Prints on stdout.
pub(crate) fn print(text: impl Display) {
    note(write!(anstream::stdout(), "{text}"));
}

/// Why not everything is on stdout that was printed, if so. Whoever has closed it does not want the rest.
pub(crate) fn unprinted() -> Option<&'static io::Error> {
    note(io::stdout().flush());
    UNPRINTED.get()
}

fn note(printed: io::Result<()>) {
    if let Err(error) = printed
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // The first one is told.
        let _ = UNPRINTED.set(error);
    }
}

/// A styled text.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Lines without their styles, for scripts.
pub(crate) fn plain(lines: &[String]) -> Vec<String> {
    let plain = lines.iter().map(|line| strip_str(line).to_string());
    plain.collect()
}

/// An empty table with a header. It is as wide as the terminal at the most, where there is one.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(header.to_vec());
    let terminal = Some(Term::stdout()).filter(|_| io::stdout().is_terminal());
    if let Some((_, columns)) = terminal.and_then(|terminal| terminal.size_checked()) {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns);
    }
    table
}

/// The start of a text, on one line, with at most `most` characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    let line: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if line.chars().count() <= most {
        return line;
    }
    line.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// A number of bytes as people read it.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    let (mut whole, mut rest, mut unit) = (number, 0, "bytes");
    for larger in UNITS {
        if whole < 1024 {
            break;
        }
        (rest, whole, unit) = (whole % 1024 * 10 / 1024, whole / 1024, larger);
    }
    if unit == "bytes" || whole >= 100 {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{rest} {unit}")
    }
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_as_rust_and_toml_take_them() {
        let groups = [
            (0, "0"),
            (999, "999"),
            (1000, "1_000"),
            (5_000_000, "5_000_000"),
        ];
        for (number, text) in groups {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn bytes_have_the_unit_in_which_they_are_short() {
        let sizes = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB"),
            (32 << 20, "32.0 MiB"),
            (200 << 20, "200 MiB"),
        ];
        for (number, text) in sizes {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_stays_on_its_line() {
        assert_eq!(short("a\nb", 5), "a b");
        assert_eq!(short("äöüß", 3), "äö…");
    }
}
