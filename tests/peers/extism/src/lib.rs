//! What `example-transforms/supplier-permissions` does, as an author of an Extism plugin would write it.

use std::collections::BTreeMap;

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Supplier {
    supplier: Option<String>,
    permissions: Option<Vec<String>>,
    ods_codes: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Hashes {
    supplier_permissions: BTreeMap<String, String>,
    ods_code_to_supplier: BTreeMap<String, String>,
}

#[plugin_fn]
pub fn supplier_permissions(Json(list): Json<Vec<Supplier>>) -> FnResult<Json<Hashes>> {
    let mut permissions = BTreeMap::new();
    let mut suppliers = BTreeMap::new();
    for entry in list {
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
    Ok(Json(Hashes {
        supplier_permissions: permissions,
        ods_code_to_supplier: suppliers,
    }))
}
