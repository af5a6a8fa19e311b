//! What a preview comes to, as one page: it loads nothing, and all that comes from outside is escaped.

use super::show::sizes;
use super::tally::{Change, Counts, Field, HEADROOM, Object, Tally};
use crate::screen::grouped;
use redis_sync::text::counted;
use std::fmt::{Display, Formatter, Write as _};

/// How it looks, by day and by night. Nothing may be loaded, whatever the page has in it.
const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Redis Sync preview</title><style>
:root{color-scheme:light dark;--good:#1a7f37;--bad:#cf222e;--look:#9a6700;--dim:#6e7781;--line:#8884;--back:#8881}
@media(prefers-color-scheme:dark){:root{--good:#4ac26b;--bad:#ff7b72;--look:#d4a72c;--dim:#9198a1}}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}code{font-family:ui-monospace,monospace;font-size:.92em;overflow-wrap:anywhere}
.numbers{display:flex;gap:1rem;flex-wrap:wrap;margin:1rem 0}.numbers div{border:1px solid var(--line);border-radius:.5rem;padding:.5rem 1rem;min-width:6rem}
.numbers b{display:block;font-size:1.5rem;font-variant-numeric:tabular-nums}.added{color:var(--good)}.removed,.failed{color:var(--bad)}.changed{color:var(--look)}.dim{color:var(--dim)}
details,.object{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;padding:.4rem .8rem}summary{cursor:pointer}ul{list-style:none;margin:.3rem 0;padding-left:1.2rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line)}td.number{font-variant-numeric:tabular-nums}td.number,th+th{text-align:right}td:has(meter){width:75%}
meter{width:100%}
</style></head><body>
"#;

/// A text from outside, as HTML.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                letter if letter.is_control() && letter != '\n' => {
                    formatter.write_str("\u{fffd}")?;
                }
                letter => formatter.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// The page.
pub(super) fn page(tally: &Tally, route: &str) -> String {
    let mut page = String::from(HEAD);
    // Writing into a string does not fail.
    let _ = write_page(&mut page, tally, route);
    page
}

fn write_page(page: &mut String, tally: &Tally, route: &str) -> std::fmt::Result {
    writeln!(
        page,
        "<h1>What <code>{}</code> would change on <code>{}</code></h1><p class=\"dim\">module <code>{}</code></p>",
        Text(&tally.plugin),
        Text(route),
        Text(&tally.sha256)
    )?;
    let Counts {
        added,
        changed,
        removed,
    } = tally.keys;
    let numbers = [
        ("", tally.objects, "objects tried"),
        ("changed", tally.would_change, "would change"),
        ("failed", tally.would_fail, "would fail"),
        ("added", added, "keys added"),
        ("changed", changed, "keys changed"),
        ("removed", removed, "keys removed"),
    ];
    page.push_str("<div class=\"numbers\">");
    for (class, number, what) in numbers {
        write!(
            page,
            "<div><b class=\"{class}\">{}</b>{what}</div>",
            grouped(number)
        )?;
    }
    page.push_str("</div>\n");
    if !tally.failed.is_empty() {
        page.push_str("<h2>Would fail</h2>\n");
        tally
            .failed
            .iter()
            .try_for_each(|object| failure(page, object))?;
        more(page, tally.would_fail, tally.failed.len())?;
    }
    if !tally.changed.is_empty() {
        page.push_str("<h2>Would change</h2>\n");
        tally
            .changed
            .iter()
            .try_for_each(|object| changed_object(page, object))?;
        more(page, tally.would_change, tally.changed.len())?;
    }
    fuel(page, tally)?;
    slowest(page, tally)?;
    page.push_str("</body></html>\n");
    Ok(())
}

fn more(page: &mut String, all: u64, shown: usize) -> std::fmt::Result {
    match all.saturating_sub(u64::try_from(shown).unwrap_or(all)) {
        0 => Ok(()),
        more => writeln!(
            page,
            "<p class=\"dim\">… and {} objects more</p>",
            grouped(more)
        ),
    }
}

fn failure(page: &mut String, object: &Object) -> std::fmt::Result {
    let also = if object.fails_now {
        " <span class=\"dim\">It fails now as well.</span>"
    } else {
        ""
    };
    let why = object.error.as_deref().unwrap_or_default();
    writeln!(
        page,
        "<div class=\"object\"><code>{}</code><br><span class=\"failed\">{}</span>{also}</div>",
        Text(&object.key),
        Text(why)
    )
}

fn changed_object(page: &mut String, object: &Object) -> std::fmt::Result {
    let keys = counted(object.changes.len(), "key");
    write!(
        page,
        "<details{}><summary><code>{}</code> <span class=\"dim\">{keys}</span></summary><ul>",
        if object.changes.len() < 20 {
            " open"
        } else {
            ""
        },
        Text(&object.key)
    )?;
    object
        .changes
        .iter()
        .try_for_each(|change| key(page, change))?;
    if object.left_out > 0 {
        write!(
            page,
            "<li class=\"dim\">… and {} more</li>",
            counted(object.left_out, "key")
        )?;
    }
    page.push_str("</ul></details>\n");
    Ok(())
}

fn key(page: &mut String, change: &Change) -> std::fmt::Result {
    write!(
        page,
        "<li><span class=\"{0}\">{0}</span> <code>{1}</code> <span class=\"dim\">",
        Text(&change.change),
        Text(&change.key)
    )?;
    if let Some(before) = &change.type_before {
        write!(page, "{} → ", Text(before))?;
    }
    write!(page, "{}", Text(&change.kind))?;
    if let Some(sizes) = sizes(change.bytes_before, change.bytes_after) {
        write!(page, ", {sizes}")?;
    }
    if let Some(what) = &change.time_to_live {
        write!(page, ", time to live {}", Text(what))?;
    }
    if change.taken_over {
        page.push_str(", taken over: Redis Sync did not write it");
    }
    page.push_str("</span>");
    if !change.fields.is_empty() {
        page.push_str("<ul>");
        change
            .fields
            .iter()
            .try_for_each(|element| field(page, element))?;
        page.push_str("</ul>");
    }
    page.push_str("</li>");
    Ok(())
}

fn field(page: &mut String, field: &Field) -> std::fmt::Result {
    write!(
        page,
        "<li><span class=\"{0}\">{0}</span> <code>{1}</code>",
        Text(&field.change),
        Text(&field.field)
    )?;
    if let Some(sizes) = sizes(field.bytes_before, field.bytes_after) {
        write!(page, " <span class=\"dim\">{sizes}</span>")?;
    }
    for (class, value) in [("removed", &field.before), ("added", &field.after)] {
        if let Some(value) = value {
            write!(page, " <code class=\"{class}\">{}</code>", Text(value))?;
        }
    }
    page.push_str("</li>");
    Ok(())
}

fn fuel(page: &mut String, tally: &Tally) -> std::fmt::Result {
    page.push_str("<h2>Fuel left</h2><table>\n");
    let most = tally.fuel_left.iter().max().copied().unwrap_or(0).max(1);
    for (place, (share, count)) in HEADROOM.iter().zip(tally.fuel_left).enumerate() {
        let to = place
            .checked_sub(1)
            .and_then(|above| HEADROOM.get(above))
            .unwrap_or(&100);
        writeln!(
            page,
            "<tr><td>{share} to {to} %</td><td><meter max=\"{most}\" value=\"{count}\"></meter></td><td class=\"number\">{}</td></tr>",
            grouped(count)
        )?;
    }
    page.push_str("</table>\n");
    Ok(())
}

fn slowest(page: &mut String, tally: &Tally) -> std::fmt::Result {
    page.push_str("<h2>Slowest</h2><table><tr><th>object</th><th>ms</th><th>fuel</th></tr>\n");
    for object in &tally.slowest {
        writeln!(
            page,
            "<tr><td><code>{}</code></td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            Text(&object.key),
            object.time_ms,
            object.fuel.map(grouped).unwrap_or_default()
        )?;
    }
    page.push_str("</table>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_comes_from_outside_is_escaped_and_nothing_is_loaded() {
        const EVIL: &str = "<script src='//evil'>&\"</script>\u{1b}";
        let text = || EVIL.to_owned();
        let field = Field {
            field: text(),
            change: text(),
            before: Some(text()),
            after: Some(text()),
            ..Field::default()
        };
        let change = Change {
            key: text(),
            change: text(),
            kind: text(),
            type_before: Some(text()),
            time_to_live: Some(text()),
            fields: vec![field],
            ..Change::default()
        };
        let object = Object {
            key: text(),
            error: Some(text()),
            changes: vec![change],
            ..Object::default()
        };
        let tally = Tally {
            plugin: text(),
            sha256: text(),
            changed: vec![object.clone()],
            failed: vec![object.clone()],
            slowest: vec![object],
            ..Tally::default()
        };
        let page = page(&tally, EVIL);
        for part in ["<script", "'//evil", "\u{1b}", "href", "src=", "url("] {
            let own = if part == "src=" {
                page.matches("src=&#39;").count()
            } else {
                0
            };
            assert_eq!(page.matches(part).count(), own, "{part}");
        }
        assert!(
            page.matches("&lt;script src=&#39;//evil&#39;&gt;&amp;&quot;")
                .count()
                >= 13
        );
    }
}
