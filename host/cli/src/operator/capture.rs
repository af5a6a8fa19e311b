//! `redis-sync case KEY`: an object that failed, with all that decided it, in a folder that runs it again.

use super::{Reach, ReachArgs, ago};
use crate::Ended;
use crate::bucket::{Bucket, Version};
use crate::case::{Case, CaseFolder, Expected};
use crate::module::ModuleFile;
use crate::problem::problem;
use crate::runner::{Ran, Runner, variables};
use crate::screen::{GREEN, Screen, YELLOW, short, styled};
use anyhow::Result;
use redis_sync::fingerprint::sha256;
use redis_sync::object::Object;
use redis_sync::route::{MANIFEST_NAME, Manifest, PluginList, Resolution, Route};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `case` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync case flags/a.json
  redis-sync case flags/a.json --out broken --function redis-sync
  redis-sync run --replay broken

From a versioned bucket, object, modules and routes.toml are taken as they were when the object failed, which \
needs s3:ListBucketVersions and s3:GetObjectVersion; from another one as they are now. The limits are those \
of this environment: set FUEL_LIMIT and the others as the function has them. The folder holds the object \
itself: treat it as you treat that.")]
pub(crate) struct Args {
    /// The object's key
    key: String,
    /// The folder to write; by default case-NAME in the working folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reach: ReachArgs,
}

/// What is recorded of an object's last attempt, if that failed.
struct Failure {
    error: String,
    /// Milliseconds since the Unix epoch.
    at: Option<u64>,
}

/// The bucket as it was at a time.
struct Then {
    bucket: Bucket,
    /// That time, in milliseconds since the Unix epoch; `None` is now.
    at: Option<u64>,
}

/// Writes the case of an object; ends badly where it comes to something else here than it did there.
pub(crate) async fn capture(args: &Args, screen: &Screen) -> Result<Ended> {
    let failure = failure(&Reach::open(&args.reach).await?, &args.key).await?;
    let then = Then {
        bucket: Bucket::open().await?,
        at: failure.as_ref().and_then(|failure| failure.at),
    };
    let case = then.case(&args.key).await?;
    let runner = Runner::new(variables())?;
    runner.load(&case).await;
    let ran = runner.run(&case).await;
    let name = Path::new(&args.key).file_stem().unwrap_or_default();
    let folder = args.out.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(format!("case-{}", name.display())));
    CaseFolder::write(&folder, &case, &runner.variables(), &Expected::of(&ran))?;
    let good = tell(screen, failure.as_ref(), &case, &ran, &folder);
    Ok(Ended::well_if(good))
}

/// What is recorded of the object's last attempt.
async fn failure(reach: &Reach, key: &str) -> Result<Option<Failure>> {
    if let Reach::Direct(pipeline) = reach {
        let records = pipeline.ledger().records(&[key.to_owned()]).await;
        let records = records.map_err(|error| {
            problem(error.to_string(), "`redis-sync doctor` looks at each part")
        })?;
        let failed = records.into_iter().next().and_then(|record| {
            let at = record.error_at;
            record.error.map(|error| Failure { error, at })
        });
        return Ok(failed);
    }
    let status = reach.ask(&json!({"status": {}})).await?;
    let failures = status["failures"].as_array().cloned().unwrap_or_default();
    let found = failures.iter().find(|failure| failure["key"] == key);
    Ok(found.map(|failure| Failure {
        error: failure["error"].as_str().unwrap_or_default().to_owned(),
        at: failure["at"].as_u64(),
    }))
}

impl Then {
    /// An object and what took it.
    async fn case(&self, key: &str) -> Result<Case> {
        let object = match self.read(key).await? {
            Some(object) => object,
            None => {
                return Err(problem(
                    format!("there is no object `{key}`"),
                    "name the key as `redis-sync status` has it",
                ));
            }
        };
        let modules = self.names(&self.bucket.plugins_prefix).await?;
        let plugins = self.plugin_list(&modules).await?;
        let route = match plugins.resolve(key) {
            Resolution::Route(route) => route.into_owned(),
            Resolution::Unmatched => {
                let next = "it is stored as it is, or skipped: there is nothing to run";
                return Err(problem(format!("no plugin takes `{key}`"), next));
            }
            Resolution::Broken(why) => {
                return Err(problem(why, "correct routes.toml: no plugin has run"));
            }
        };
        Ok(Case {
            modules: self.modules(&route, &modules).await?,
            object,
            route,
        })
    }

    async fn modules(
        &self,
        route: &Route,
        versions: &BTreeMap<String, Option<String>>,
    ) -> Result<Vec<ModuleFile>> {
        let mut modules = BTreeMap::new();
        for name in &route.plugins {
            let key = self.bucket.plugin_key(name);
            let version = versions.get(&key).and_then(Option::as_deref);
            let read = self.bucket.get(&key, version).await?;
            let Some(Object { body: bytes, .. }) = read else {
                return Err(problem(
                    format!("the plugin `{name}` is gone"),
                    "it was deleted for good meanwhile",
                ));
            };
            let digest = sha256(&bytes);
            let name = name.clone();
            modules.insert(
                name.clone(),
                ModuleFile {
                    name,
                    digest,
                    bytes,
                },
            );
        }
        Ok(modules.into_values().collect())
    }

    async fn plugin_list(&self, keys: &BTreeMap<String, Option<String>>) -> Result<PluginList> {
        let prefix = &self.bucket.plugins_prefix;
        let names = keys.keys().filter_map(|key| key.strip_prefix(prefix));
        let modules = names.filter(|name| name.ends_with(".wasm") && !name.starts_with('.'));
        let manifest = self.bucket.plugin_key(MANIFEST_NAME);
        let manifest = match keys.get(&manifest) {
            Some(version) => self.bucket.get(&manifest, version.as_deref()).await?,
            None => None,
        };
        Ok(PluginList {
            modules: modules
                .map(|name| (name.to_owned(), String::new()))
                .collect(),
            manifest: manifest
                .map(|manifest| Manifest::parse(&String::from_utf8_lossy(&manifest.body))),
            ..PluginList::default()
        })
    }

    async fn read(&self, key: &str) -> Result<Option<Object>> {
        match self.names(key).await?.get(key) {
            Some(version) => self.bucket.get(key, version.as_deref()).await,
            None => Ok(None),
        }
    }

    /// The keys under a prefix as they were then, each with its version, where that is not the only one.
    async fn names(&self, prefix: &str) -> Result<BTreeMap<String, Option<String>>> {
        let Some(at) = self.at else {
            let keys = self.bucket.keys(prefix).await?.into_iter();
            return Ok(keys.map(|key| (key, None)).collect());
        };
        Ok(as_of(self.bucket.versions(prefix).await?, at))
    }
}

/// What there was at a time, of versions of which the newest comes first. What is no version of a
/// versioned bucket is only there as it is now.
fn as_of(versions: Vec<Version>, at: u64) -> BTreeMap<String, Option<String>> {
    let mut then: BTreeMap<String, Option<Option<String>>> = BTreeMap::new();
    for version in versions {
        let Version {
            key,
            id,
            modified,
            is_deletion,
        } = version;
        if id != "null" && modified > at {
            continue;
        }
        let kept = (!is_deletion).then(|| Some(id).filter(|id| id != "null"));
        then.entry(key).or_insert(kept);
    }
    then.into_iter()
        .filter_map(|(key, version)| Some((key, version?)))
        .collect()
}

/// Says what the case is; whether it comes to what is recorded.
fn tell(screen: &Screen, failure: Option<&Failure>, case: &Case, ran: &Ran, folder: &Path) -> bool {
    let error = ran.result.as_ref().err();
    let same = failure.map(|failure| error.is_some_and(|error| is_same(error, &failure.error)));
    let versions: Vec<Value> = case
        .modules
        .iter()
        .map(|module| json!({"name": module.name, "sha256": module.digest}))
        .collect();
    screen.document(&json!({
        "folder": folder.display().to_string(),
        "key": case.object.key,
        "etag": case.object.etag,
        "version_id": case.object.version_id,
        "plugins": versions,
        "recorded_error": failure.map(|failure| &failure.error),
        "error": error,
        "fuel": ran.fuel,
        "same": same,
    }));
    screen.say(format!(
        "{} {} with {} in {}",
        styled(GREEN, "✓"),
        short(&case.object.key, 200),
        case.plugins(),
        folder.display()
    ));
    let recorded = failure.map_or("nothing", |failure| &failure.error);
    match same {
        None => screen.say(styled(YELLOW, "  it has not failed: taken as it is now")),
        Some(true) => {
            let when = failure
                .and_then(|failure| failure.at)
                .map(ago)
                .unwrap_or_default();
            screen.say(format!(
                "  it fails as it did {when}: {}",
                short(recorded, 1000)
            ));
        }
        Some(false) => {
            screen.say(styled(YELLOW, "  it comes to something else here: the bucket has no versions, or the limits are others"));
            screen.say(format!("  there  {}", short(recorded, 1000)));
            screen.say(format!(
                "  here   {}",
                error.map_or("it yields entries".to_owned(), |error| short(error, 1000))
            ));
        }
    }
    screen.say(format!(
        "`redis-sync run --replay {}` runs it again",
        folder.display()
    ));
    same != Some(false)
}

/// Whether errors are the same: a recorded one may be cut.
fn is_same(error: &str, recorded: &str) -> bool {
    error == recorded || recorded.len() >= 1000 && error.starts_with(recorded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_taken_as_it_was_at_a_time() {
        let version = |key: &str, id: &str, modified, is_deletion| Version {
            key: key.into(),
            id: id.into(),
            modified,
            is_deletion,
        };
        let versions = || {
            vec![
                version("a", "3", 3000, false),
                version("a", "2", 2000, true),
                version("a", "1", 1000, false),
                version("b", "null", 5000, false),
            ]
        };
        let at = |time| as_of(versions(), time);
        let only = |id: &str| Some(Some(id.to_owned()));
        assert_eq!(at(3000).get("a").cloned(), only("3"));
        assert_eq!(at(2500).get("a").cloned(), None);
        assert_eq!(at(1999).get("a").cloned(), only("1"));
        assert_eq!(at(1999).get("b").cloned(), Some(None));
    }
}
