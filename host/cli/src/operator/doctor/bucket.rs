//! The bucket: listing it, reading it, and the plugins in it.

use super::{Finding, bad, doubtful, good};
use crate::bucket::Bucket;
use redis_sync::budget::Account;
use redis_sync::pipeline::Pipeline;
use redis_sync::plugin::MAX_MODULE_BYTES;
use redis_sync::route::PluginList;
use redis_sync::text::counted;

/// How objects are encrypted is looked at where all variables are as they must be.
pub(super) async fn look(pipeline: &Pipeline, is_complete: bool, findings: &mut Vec<Finding>) {
    let (store, settings) = (pipeline.store(), pipeline.settings());
    let first = match store.list("", None).await {
        Ok(page) => {
            findings.push(good(
                "listing",
                format!("the bucket `{}` can be listed", settings.bucket),
            ));
            page.objects.into_iter().next()
        }
        Err(error) => return findings.push(bad("listing", error.to_string())),
    };
    match first {
        None => findings.push(doubtful(
            "objects",
            "the bucket is empty: whether objects can be read is not known",
        )),
        Some(object) => {
            let account = Account::unbounded();
            let read = store.object(&object.key, settings.max_object_bytes, &account);
            match read.await {
                Ok(_) => {
                    findings.push(good("objects", "can be read"));
                    if is_complete {
                        findings.push(encryption(&object.key).await);
                    }
                }
                Err(error) => findings.push(bad("objects", error.to_string())),
            }
        }
    }
    match pipeline.plugin_list().await {
        Err(error) => findings.push(bad("plugins", error.to_string())),
        Ok(list) => {
            findings.push(plugins(&list));
            findings.extend(module(pipeline, &list).await);
        }
    }
}

/// How an object is encrypted that can be read.
async fn encryption(key: &str) -> Finding {
    let bucket = match Bucket::open().await {
        Ok(bucket) => bucket,
        Err(error) => return bad("kms", format!("{error:#}")),
    };
    match bucket.encryption(key).await {
        Ok(Some(with)) => good(
            "kms",
            format!("objects are encrypted with {with}, and can be decrypted"),
        ),
        Ok(None) => good(
            "kms",
            "S3 names no key of yours: nothing is to be decrypted",
        ),
        Err(error) => bad("kms", format!("{error:#}")),
    }
}

/// Whether modules can be read, by the first one.
async fn module(pipeline: &Pipeline, list: &PluginList) -> Option<Finding> {
    let (name, _) = list.modules.first_key_value()?;
    let key = format!("{}{name}", pipeline.settings().plugins_prefix);
    let account = Account::unbounded();
    let read = pipeline
        .store()
        .object(&key, MAX_MODULE_BYTES, &account)
        .await;
    Some(match read {
        Ok(_) => good("modules", "can be read"),
        Err(error) => bad("modules", error.to_string()),
    })
}

/// What there is of plugins and routes.
fn plugins(list: &PluginList) -> Finding {
    let modules = counted(list.modules.len(), "module");
    match &list.manifest {
        None => good(
            "plugins",
            format!("{modules}, by convention: there is no routes.toml"),
        ),
        Some(Err(error)) => bad("plugins", format!("routes.toml is not valid: {error}")),
        Some(Ok(manifest)) => {
            let missing: Vec<&String> = manifest
                .routes()
                .flat_map(|(_, route)| &route.plugins)
                .filter(|plugin| !list.modules.contains_key(*plugin))
                .collect();
            if missing.is_empty() {
                let routes = counted(manifest.routes().count(), "route");
                good("plugins", format!("{modules}, {routes}"))
            } else {
                let why =
                    format!("routes.toml names {missing:?}, which are not there: upload them");
                bad("plugins", why)
            }
        }
    }
}
