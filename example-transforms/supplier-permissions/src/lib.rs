//! Who may do what: a list of suppliers becomes a hash of their permissions, and a hash that finds
//! a supplier by the code of its organisation. Suppliers without permissions are in the second only.

use std::collections::BTreeMap;

use redis_sync_guest::{Entries, Object, Result, transform};
use serde::Deserialize;

#[derive(Deserialize)]
struct Supplier {
    supplier: Option<String>,
    permissions: Option<Vec<String>>,
    ods_codes: Option<Vec<String>>,
}

/// What each supplier may do, and which supplier an ODS code belongs to.
#[transform]
pub fn supplier_permissions(object: &Object) -> Result<Entries> {
    let mut permissions = BTreeMap::new();
    let mut suppliers = BTreeMap::new();
    for entry in object.json::<Vec<Supplier>>()? {
        let Some(supplier) = entry.supplier else {
            continue;
        };
        for code in entry.ods_codes.unwrap_or_default() {
            suppliers.insert(code, supplier.clone());
        }
        if let Some(allowed) = entry.permissions {
            permissions.insert(supplier, serde_json::to_string(&allowed)?);
        }
    }
    Ok(Entries::new()
        .hash("supplier_permissions", permissions)
        .hash("ods_code_to_supplier", suppliers))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_str};

    use super::*;

    #[test]
    fn the_real_file_gives_the_expected_hashes() -> Result<()> {
        let body = include_str!("../../../tests/fixtures/nhs/bucket/permissions_config.json");
        let permissions: BTreeMap<String, Value> = from_str(include_str!(
            "../../../tests/fixtures/nhs/expected_supplier_permissions.json"
        ))?;
        let suppliers: BTreeMap<String, String> = from_str(include_str!(
            "../../../tests/fixtures/nhs/expected_ods_code_to_supplier.json"
        ))?;

        assert_eq!(
            supplier_permissions(&Object::new("permissions_config.json", body))?,
            Entries::new()
                .hash(
                    "supplier_permissions",
                    permissions.iter().map(|(k, v)| (k, v.to_string()))
                )
                .hash("ods_code_to_supplier", suppliers)
        );
        Ok(())
    }

    #[test]
    fn what_lacks_a_field_is_passed_over() -> Result<()> {
        let body = r#"[{"supplier": "A", "ods_codes": ["1", "2"]},
                       {"supplier": "B", "permissions": []},
                       {"permissions": ["X.R"], "ods_codes": ["3"]}]"#;
        assert_eq!(
            supplier_permissions(&Object::new("permissions_config.json", body))?,
            Entries::new()
                .hash("supplier_permissions", [("B", "[]")])
                .hash("ods_code_to_supplier", [("1", "A"), ("2", "A")])
        );
        Ok(())
    }
}
