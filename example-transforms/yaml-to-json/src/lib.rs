//! Any YAML document as JSON text, at the object's key without its ending: `app/web.yaml` is in
//! Redis as `app/web`. It is read as YAML 1.2, so `no`, `007` and `1_000` are text; merge keys are
//! merged, and `.nan` and `.inf`, which JSON lacks, are null. The library bounds depth and aliases.

use redis_sync_guest::{Entries, Error, Object, Result, anyhow, transform};
use yaml_serde::{Value, from_str};

#[transform]
fn yaml_to_json(object: &Object) -> Result<Entries> {
    let mut document: Value = from_str(object.text()?).map_err(|error| without_quotes(&error))?;
    document
        .apply_merge()
        .map_err(|error| without_quotes(&error))?;
    Entries::new().json(without_ending(&object.key), &document)
}

fn without_ending(key: &str) -> &str {
    let stem = key.strip_suffix(".yaml").or(key.strip_suffix(".yml"));
    stem.unwrap_or(key)
}

/// Where the error is. Its own message may quote the document, and messages reach logs.
fn without_quotes(error: &yaml_serde::Error) -> Error {
    match error.location() {
        Some(place) => {
            let (line, column) = (place.line(), place.column());
            anyhow!("the body is not one YAML document at line {line}, column {column}")
        }
        None => anyhow!("the body is not one YAML document"),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use redis_sync_guest::run;

    use super::*;

    fn json(yaml: &str) -> Result<String, String> {
        let entries = run(yaml_to_json, &Object::new("app/web.yaml", yaml))?;
        let value = entries.get("app/web").and_then(|value| value.as_text());
        Ok(value.unwrap_or_default().to_owned())
    }

    fn refused(message: &str) -> Result<String, String> {
        Err(message.to_owned())
    }

    #[test]
    fn a_document_is_json_at_the_key_without_its_ending() -> Result<(), String> {
        assert_eq!(
            json("limits: &all\n  size: 10\nweb:\n  <<: *all\n  rate: 1.5\n")?,
            r#"{"limits":{"size":10},"web":{"rate":1.5,"size":10}}"#
        );
        Ok(())
    }

    #[test]
    fn codes_and_countries_stay_text() -> Result<(), String> {
        assert_eq!(
            json("[no, 007, 1_000, 7, false, ~]")?,
            r#"["no","007","1_000",7,false,null]"#
        );
        Ok(())
    }

    #[test]
    fn what_is_not_yaml_is_placed_and_not_quoted() {
        let at = "the body is not one YAML document at line";
        assert_eq!(
            json("a: [secret\nb: }\n"),
            refused(&format!("{at} 2, column 2"))
        );
        assert_eq!(
            json("secret: 1\nsecret: 2\n"),
            refused(&format!("{at} 1, column 1"))
        );
        assert_eq!(
            json("a: 1\n---\nb: 2\n"),
            refused("the body is not one YAML document")
        );
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        let message = "entry `app/web` cannot be JSON: key must be a string";
        assert_eq!(json("? [secret]\n: 1\n"), refused(message));
    }

    #[test]
    fn depth_and_aliases_are_bounded() -> Result<(), std::fmt::Error> {
        let at = "the body is not one YAML document at line";
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        assert_eq!(json(&deep), refused(&format!("{at} 1, column 129")));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(",");
            writeln!(bomb, "a{level}: &a{level} [{aliases}]")?;
        }
        assert_eq!(json(&bomb), refused("the body is not one YAML document"));
        Ok(())
    }
}
