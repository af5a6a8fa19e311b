//! `redis-sync rollback PLUGIN`: an earlier version of a plugin, published like any other module.

use super::publish::{self, Consent, Place};
use super::{ReachArgs, ago};
use crate::Ended;
use crate::bucket::Bucket;
use crate::module::ModuleFile;
use crate::problem::problem;
use crate::screen::Screen;
use anyhow::Result;
use bytes::Bytes;
use redis_sync::fingerprint::sha256;
use redis_sync::route::is_plugin_name;

/// Versions that are named where one is looked for.
const MAX_NAMED: usize = 10;

/// What `rollback` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync rollback flags.wasm
  redis-sync rollback flags.wasm --to 3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY

The version before is that of a versioned bucket, or the one that `publish` has kept under `.previous/`. It \
is previewed, asked for and written like any other module, so a second rollback undoes the first.")]
pub(crate) struct Args {
    /// The plugin's name, such as flags.wasm
    plugin: String,
    /// The version to go back to; by default the one before
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    reach: ReachArgs,
}

/// An earlier version.
struct Earlier {
    /// What it is called.
    name: String,
    /// Where it is: a key, and a version of what is under it.
    key: String,
    version: Option<String>,
    /// Milliseconds since the Unix epoch.
    modified: u64,
}

/// Brings back an earlier version of a plugin.
pub(crate) async fn rollback(args: &Args, screen: &Screen) -> Result<Ended> {
    let plugin = match args.plugin.ends_with(".wasm") {
        true => args.plugin.clone(),
        false => format!("{}.wasm", args.plugin),
    };
    if !is_plugin_name(&plugin) {
        let what = format!("`{plugin}` is no name of a plugin");
        return Err(problem(
            what,
            "name it as it is under the plugins' prefix, such as flags.wasm",
        ));
    }
    let place = Place::open(&args.reach).await?;
    // Where that is not known nothing can be previewed, whatever version it is.
    place.affected(&plugin)?;
    let bucket = &place.bucket;
    let now = bucket.get(&bucket.plugin_key(&plugin), None).await?;
    let digest = now.as_ref().map(|now| sha256(&now.body));
    let versions = versions(bucket, &plugin).await?;
    let Some((name, bytes)) = chosen(bucket, &versions, args.to.as_deref(), digest).await? else {
        let known = versions.iter().take(MAX_NAMED);
        let known: Vec<String> = known
            .map(|version| format!("{} ({})", version.name, ago(version.modified)))
            .collect();
        return Err(problem(
            format!("there is no such earlier version of `{plugin}`"),
            if known.is_empty() {
                "none is kept: `redis-sync publish` keeps the one that it replaces".to_owned()
            } else {
                format!("--to one of: {}", known.join(", "))
            },
        ));
    };
    let module = ModuleFile {
        name: plugin.clone(),
        digest: sha256(&bytes),
        bytes,
    };
    screen.remark(format!("going back to {name}"));
    publish::replace(&place, &plugin, now, &module, &args.consent, screen).await
}

/// All versions of a plugin that there are, the newest first.
async fn versions(bucket: &Bucket, plugin: &str) -> Result<Vec<Earlier>> {
    let key = bucket.plugin_key(plugin);
    let of_bucket = bucket.versions(&key).await?.into_iter();
    let of_bucket = of_bucket
        .filter(|version| version.key == key && !version.is_deletion && version.id != "null");
    let mut all: Vec<Earlier> = of_bucket
        .map(|version| Earlier {
            name: version.id.clone(),
            key: key.clone(),
            version: Some(version.id),
            modified: version.modified,
        })
        .collect();
    let folder = super::publish::previous(bucket, plugin);
    // Their names begin with the time at which they were replaced.
    for key in bucket.keys(&folder).await?.into_iter().rev() {
        let name = key
            .strip_prefix(&folder)
            .unwrap_or(&key)
            .trim_end_matches(".wasm")
            .to_owned();
        let modified = name.split('-').next().and_then(|time| time.parse().ok());
        all.push(Earlier {
            modified: modified.unwrap_or(0),
            name,
            key,
            version: None,
        });
    }
    Ok(all)
}

/// The version that is asked for; otherwise the newest that is another module than the one there is.
async fn chosen(
    bucket: &Bucket,
    versions: &[Earlier],
    to: Option<&str>,
    now: Option<String>,
) -> Result<Option<(String, Bytes)>> {
    for version in versions {
        if to.is_some_and(|to| to != version.name) {
            continue;
        }
        let read = bucket.get(&version.key, version.version.as_deref()).await?;
        let Some(object) = read else {
            continue;
        };
        if to.is_some() || now.as_ref().is_none_or(|now| *now != sha256(&object.body)) {
            return Ok(Some((version.name.clone(), object.body)));
        }
    }
    Ok(None)
}
