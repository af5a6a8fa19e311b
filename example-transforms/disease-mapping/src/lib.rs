//! What protects from what: a list of vaccines and their diseases becomes look-ups in both
//! directions. A vaccine without a type, or whose diseases are not all coded, is passed over.

use std::collections::{BTreeMap, BTreeSet};

use redis_sync_guest::{Entries, Object, Result, transform};
use serde::Deserialize;
use serde_json::{Value, to_string};

#[derive(Deserialize)]
struct Vaccine {
    vacc_type: Option<String>,
    diseases: Option<Vec<Value>>,
}

#[transform]
fn disease_mapping(object: &Object) -> Result<Entries> {
    let mut diseases_of = BTreeMap::new();
    let mut vaccine_for = BTreeMap::new();
    let mut vaccines_against = BTreeMap::<_, BTreeSet<_>>::new();
    for entry in object.json::<Vec<Vaccine>>()? {
        let (Some(vaccine), Some(diseases)) = (entry.vacc_type, entry.diseases) else {
            continue;
        };
        let Some(codes) = sorted_codes(&diseases) else {
            continue;
        };
        for code in &codes {
            vaccines_against
                .entry(code.to_string())
                .or_default()
                .insert(vaccine.clone());
        }
        vaccine_for.insert(codes.join(":"), vaccine.clone());
        diseases_of.insert(vaccine, to_string(&diseases)?);
    }
    let codes = to_string(&vaccines_against.keys().collect::<Vec<_>>())?;
    let vaccines_against = vaccines_against
        .into_iter()
        .map(|(code, all)| Ok((code, to_string(&all)?)));
    Ok(Entries::new()
        .hash("vacc_to_diseases", diseases_of)
        .hash("diseases_to_vacc", vaccine_for)
        .hash("target_disease_list", [("codes", codes)])
        .hash(
            "target_disease_to_vaccs",
            vaccines_against.collect::<Result<Vec<_>>>()?,
        ))
}

fn sorted_codes(diseases: &[Value]) -> Option<Vec<&str>> {
    let codes = diseases.iter().map(|disease| disease.get("code")?.as_str());
    let mut codes: Vec<_> = codes.collect::<Option<_>>()?;
    codes.sort_unstable();
    Some(codes)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, json};

    use super::*;

    #[test]
    fn the_real_file_gives_the_expected_hashes() -> Result<()> {
        let body = include_str!("../../../tests/fixtures/nhs/bucket/disease_mapping.json");
        let diseases_of: BTreeMap<String, Value> = from_str(include_str!(
            "../../../tests/fixtures/nhs/expected_vacc_to_diseases.json"
        ))?;
        let vaccine_for: BTreeMap<String, String> = from_str(include_str!(
            "../../../tests/fixtures/nhs/expected_disease_to_vacc.json"
        ))?;
        let entries = disease_mapping(&Object::new("disease_mapping.json", body))?;

        assert_eq!(entries.len(), 4);
        let diseases = diseases_of
            .iter()
            .map(|(vaccine, all)| (vaccine, all.to_string()));
        let expected = Entries::new()
            .hash("vacc_to_diseases", diseases)
            .hash("diseases_to_vacc", vaccine_for);
        assert!(
            expected
                .iter()
                .all(|entry| entries.iter().any(|other| other == entry))
        );
        let codes = entries
            .get("target_disease_list")
            .and_then(|hash| hash.field("codes"));
        assert_eq!(
            from_str::<Value>(codes.unwrap_or_default())?,
            json!([
                "14189004",
                "16814004",
                "23511006",
                "240532009",
                "27836007",
                "36653000",
                "36989005",
                "38907003",
                "397430003",
                "398102009",
                "4740000",
                "55735004",
                "6142004",
                "76902006",
                "840539006"
            ])
        );
        Ok(())
    }

    #[test]
    fn a_disease_finds_every_vaccine_against_it() -> Result<()> {
        let body = r#"[{"vacc_type": "MMRV", "diseases": [{"code": "2"}, {"code": "1"}]},
                       {"vacc_type": "MMR", "diseases": [{"code": "1"}]}]"#;
        assert_eq!(
            disease_mapping(&Object::new("disease_mapping.json", body))?,
            Entries::new()
                .hash(
                    "vacc_to_diseases",
                    [
                        ("MMRV", r#"[{"code":"2"},{"code":"1"}]"#),
                        ("MMR", r#"[{"code":"1"}]"#)
                    ]
                )
                .hash("diseases_to_vacc", [("1:2", "MMRV"), ("1", "MMR")])
                .hash("target_disease_list", [("codes", r#"["1","2"]"#)])
                .hash(
                    "target_disease_to_vaccs",
                    [("1", r#"["MMR","MMRV"]"#), ("2", r#"["MMRV"]"#)]
                )
        );
        Ok(())
    }

    #[test]
    fn what_lacks_a_field_is_passed_over() -> Result<()> {
        let body = r#"[{"vacc_type": "A"}, {"diseases": [{"code": "1"}]},
                       {"vacc_type": "B", "diseases": [{"code": "1"}, {"term": "uncoded"}]}]"#;
        let none: [(&str, &str); 0] = [];
        assert_eq!(
            disease_mapping(&Object::new("disease_mapping.json", body))?,
            Entries::new()
                .hash("vacc_to_diseases", none)
                .hash("diseases_to_vacc", none)
                .hash("target_disease_list", [("codes", "[]")])
                .hash("target_disease_to_vaccs", none)
        );
        Ok(())
    }
}
