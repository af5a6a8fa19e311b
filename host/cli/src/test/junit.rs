//! A report as `JUnit` writes it, which every CI reads.

use super::judge::{Judged, Verdict};
use crate::problem::Advise;
use anstream::adapter::strip_str;
use anyhow::Result;
use std::fmt::Write as _;
use std::path::Path;

/// Writes the report.
pub(super) fn write(file: &Path, judged: &[Judged]) -> Result<()> {
    std::fs::write(file, report(judged)).advise(
        || format!("the report cannot be written to {}", file.display()),
        "name a file in a folder that is there",
    )
}

fn report(judged: &[Judged]) -> String {
    let failures = judged.iter().filter(|one| one.verdict.is_failure()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"redis-sync\" tests=\"{}\" failures=\"{failures}\">\n",
        judged.len()
    );
    for one in judged {
        let (name, seconds) = (escaped(&one.name), one.time.as_secs_f64());
        let open =
            format!("  <testcase classname=\"redis-sync\" name=\"{name}\" time=\"{seconds:.3}\"");
        let _ = match &one.verdict {
            Verdict::Passed | Verdict::Updated => writeln!(text, "{open}/>"),
            Verdict::Failed(lines) => {
                let lines = escaped(&strip_str(&lines.join("\n")).to_string());
                let failure = "failure message=\"it comes to something else\"";
                writeln!(
                    text,
                    "{open}>\n    <{failure}>{lines}</failure>\n  </testcase>"
                )
            }
        };
    }
    text.push_str("</testsuite>\n");
    text
}

/// Text as XML has it; what XML cannot have at all is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn whatever_a_case_comes_to_the_report_stays_xml() {
        let one = |name: &str, verdict| Judged {
            name: name.to_owned(),
            verdict,
            fuel: None,
            recorded_fuel: None,
            time: Duration::from_millis(1500),
        };
        let lines = vec!["\u{1b}[31m  - a = <b> & \"c\"\u{1b}[0m\u{7}".to_owned()];
        let text = report(&[
            one("good", Verdict::Passed),
            one("b\"ad", Verdict::Failed(lines)),
        ]);
        assert!(text.contains("tests=\"2\" failures=\"1\""), "{text}");
        assert!(
            text.contains("name=\"b&quot;ad\" time=\"1.500\">"),
            "{text}"
        );
        assert!(
            text.contains(">  - a = &lt;b&gt; &amp; &quot;c&quot;</failure>"),
            "{text}"
        );
    }
}
