//! The real configuration files of the system this grew out of, and what must come of them.

use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A config file, the plugin that takes it, and its content.
#[derive(Debug)]
pub struct ConfigFile {
    /// Its key in the bucket.
    pub key: &'static str,
    /// The guest that transforms it, by its package's name.
    pub guest: &'static str,
    /// Its content.
    pub body: &'static str,
}

/// Both config files.
pub const CONFIG_FILES: [ConfigFile; 2] = [
    ConfigFile {
        key: "permissions_config.json",
        guest: "supplier-permissions",
        body: include_str!("../fixtures/nhs/bucket/permissions_config.json"),
    },
    ConfigFile {
        key: "disease_mapping.json",
        guest: "disease-mapping",
        body: include_str!("../fixtures/nhs/bucket/disease_mapping.json"),
    },
];

/// The six hashes that Redis must hold, each field's value as JSON where it is JSON.
pub fn expected() -> Value {
    let vacc_to_diseases = fixture(include_str!(
        "../fixtures/nhs/expected_vacc_to_diseases.json"
    ));
    json!({
        "supplier_permissions": fixture(include_str!("../fixtures/nhs/expected_supplier_permissions.json")),
        "ods_code_to_supplier": fixture(include_str!("../fixtures/nhs/expected_ods_code_to_supplier.json")),
        "diseases_to_vacc": fixture(include_str!("../fixtures/nhs/expected_disease_to_vacc.json")),
        "target_disease_list": {"codes": codes(&vacc_to_diseases)},
        "target_disease_to_vaccs": vaccines_by_code(&vacc_to_diseases),
        "vacc_to_diseases": vacc_to_diseases,
    })
}

/// What Redis holds, with the fields that are JSON lists parsed, to compare with [`expected`].
pub fn parsed(held: &Value) -> Value {
    let field = |value: &Value| match value.as_str().map(serde_json::from_str::<Value>) {
        Some(Ok(list @ Value::Array(_))) => list,
        _ => value.clone(),
    };
    let hash = |value: &Value| match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), field(value)))
            .collect(),
        value => value.clone(),
    };
    match held {
        Value::Object(keys) => keys
            .iter()
            .map(|(key, value)| (key.clone(), hash(value)))
            .collect(),
        held => held.clone(),
    }
}

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).expect("a fixture is JSON")
}

fn diseases(vacc_to_diseases: &Value) -> impl Iterator<Item = (&str, &str)> {
    let vaccines = vacc_to_diseases.as_object().into_iter().flatten();
    vaccines.flat_map(|(vaccine, diseases)| {
        let codes = diseases
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|disease| disease["code"].as_str());
        codes.map(move |code| (code, vaccine.as_str()))
    })
}

fn codes(vacc_to_diseases: &Value) -> BTreeSet<&str> {
    diseases(vacc_to_diseases).map(|(code, _)| code).collect()
}

fn vaccines_by_code(vacc_to_diseases: &Value) -> Value {
    let vaccines = |code: &str| -> BTreeSet<&str> {
        diseases(vacc_to_diseases)
            .filter(|(other, _)| *other == code)
            .map(|(_, vaccine)| vaccine)
            .collect()
    };
    codes(vacc_to_diseases)
        .into_iter()
        .map(|code| (code.to_owned(), json!(vaccines(code))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `make run` compares with was written by it; this is what it must be.
    #[test]
    fn make_run_expects_what_the_system_before_had() {
        let entries: Vec<Value> =
            serde_json::from_str(include_str!("../fixtures/nhs/expected.json"))
                .expect("it is an entries document");
        let by_key = entries.into_iter().map(|entry| {
            let key = entry["key"].as_str().expect("an entry has a key");
            (key.to_owned(), entry["value"].clone())
        });
        assert_eq!(parsed(&by_key.collect()), expected());
    }
}
