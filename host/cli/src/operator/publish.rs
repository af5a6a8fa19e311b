//! `redis-sync publish MODULE --route PREFIX`: a module becomes a plugin, and everything that it affects
//! is brought up to date. Nobody's module is lost by that: the write is conditional, and what was there
//! is kept.

use super::ask::is_agreed;
use super::preview::{self, Tally};
use super::sync::{self, Outcome};
use super::{Reach, ReachArgs};
use crate::Ended;
use crate::bucket::{Before, Bucket, Written};
use crate::check;
use crate::module::ModuleFile;
use crate::problem::problem;
use crate::runner::{Runner, variables};
use crate::screen::{GREEN, RED, Screen, short, styled};
use anyhow::Result;
use redis_sync::event::PreviewRequest;
use redis_sync::fingerprint::sha256;
use redis_sync::object::Object;
use redis_sync::route::{MANIFEST_NAME, Manifest, ManifestError, PluginList};
use redis_sync::text::counted;
use serde_json::json;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// What `publish` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync publish flags.wasm --route flags/
  redis-sync publish flags.wasm --route flags/ --yes --function redis-sync

It is written to the key that takes the route's objects: the plugin that routes.toml names for it, and \
otherwise flags.wasm for flags/. The module that was there is a version of the bucket, or is kept under \
`.previous/`: `redis-sync rollback` brings it back. Exit status 1 where the module is refused or an object \
fails, 3 where somebody else has published meanwhile.")]
pub(crate) struct Args {
    /// The module
    module: PathBuf,
    /// The prefix of the route whose plugin it is to be
    #[arg(long, value_name = "PREFIX")]
    route: String,
    /// The plugin that it is to be, where the route has several
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    #[command(flatten)]
    pub(super) consent: Consent,
    #[command(flatten)]
    reach: ReachArgs,
}

/// What need not be asked.
#[derive(clap::Args, Debug)]
pub(super) struct Consent {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Go on although objects would fail that do not fail now
    #[arg(long)]
    allow_failures: bool,
}

/// Where plugins are, and what takes what.
pub(super) struct Place {
    pub(super) reach: Reach,
    pub(super) bucket: Bucket,
    /// The manifest, and no modules.
    plugins: PluginList,
}

impl Place {
    pub(super) async fn open(reach: &ReachArgs) -> Result<Self> {
        let (reach, bucket) = (Reach::open(reach).await?, Bucket::open().await?);
        let manifest = bucket.get(&bucket.plugin_key(MANIFEST_NAME), None).await?;
        let parse = |object: Object| -> Result<Manifest, ManifestError> {
            Manifest::parse(&String::from_utf8_lossy(&object.body))
        };
        let plugins = PluginList {
            manifest: manifest.map(parse),
            ..PluginList::default()
        };
        Ok(Self {
            reach,
            bucket,
            plugins,
        })
    }

    /// All objects that a plugin may take. An error where none can be named: what a module would do in
    /// its place is not seen then.
    pub(super) fn affected(&self, plugin: &str) -> Result<Affected> {
        affected(&self.plugins, plugin)
    }
}

/// What a plugin may take.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Affected {
    /// Prefixes of the objects' keys, none within another.
    prefixes: Vec<String>,
    /// The object that is called as the plugin: by convention it takes that one, and all in the folder of
    /// that name.
    object: Option<String>,
}

impl Affected {
    /// What is to be gone through so that a preview meets all of it. It passes over what the plugin does
    /// not take.
    fn to_preview(&self) -> Vec<String> {
        match &self.object {
            Some(object) => vec![object.clone()],
            None => self.prefixes.clone(),
        }
    }

    /// For people.
    fn named(&self) -> String {
        self.prefixes.join("`, `")
    }
}

fn affected(plugins: &PluginList, plugin: &str) -> Result<Affected> {
    let manifest = match &plugins.manifest {
        Some(Ok(manifest)) => manifest,
        Some(Err(error)) => {
            return Err(problem(
                format!("`{MANIFEST_NAME}` is not valid: {error}"),
                "correct it first: until then no object goes through any plugin",
            ));
        }
        None => {
            let stem = plugin.strip_suffix(".wasm").unwrap_or(plugin);
            return Ok(Affected {
                prefixes: vec![format!("{stem}/")],
                object: Some(stem.to_owned()),
            });
        }
    };
    let routes = manifest.routes();
    let routes = routes.filter(|(_, route)| route.plugins.iter().any(|name| name == plugin));
    let mut prefixes: Vec<String> = routes.map(|(prefix, _)| prefix.to_owned()).collect();
    prefixes.sort();
    prefixes.dedup_by(|longer, shorter| longer.starts_with(shorter.as_str()));
    if prefixes.is_empty() {
        return Err(problem(
            format!("no route of `{MANIFEST_NAME}` has the plugin `{plugin}`"),
            "name one that a route has; a new route is to be in routes.toml first",
        ));
    }
    Ok(Affected {
        prefixes,
        object: None,
    })
}

/// Publishes a module; ends badly where it is refused, or an object fails.
pub(crate) async fn publish(args: &Args, screen: &Screen) -> Result<Ended> {
    let module = ModuleFile::read(&args.module)?;
    if !check::is_taken(&Runner::new(variables())?, &module, screen).await? {
        return Ok(Ended::Badly);
    }
    let place = Place::open(&args.reach).await?;
    let plugin = place
        .plugins
        .plugin_of(&args.route, args.plugin.as_deref())
        .map_err(|why| problem(why, preview::OTHER_ROUTE))?;
    let now = place
        .bucket
        .get(&place.bucket.plugin_key(&plugin), None)
        .await?;
    replace(&place, &plugin, now, &module, &args.consent, screen).await
}

/// Puts a module in the place of what is now there, as it was looked at.
pub(super) async fn replace(
    place: &Place,
    plugin: &str,
    now: Option<Object>,
    module: &ModuleFile,
    consent: &Consent,
    screen: &Screen,
) -> Result<Ended> {
    let affected = place.affected(plugin)?;
    let is_there = now
        .as_ref()
        .is_some_and(|now| sha256(&now.body) == module.digest);
    let mut previewed = None;
    if is_there {
        screen.say(format!("`{plugin}` is that module already"));
    } else {
        let tally = preview_all(place, plugin, &affected, module, screen).await?;
        preview::show(screen, &tally, &affected.named());
        if !tally.is_good() && !consent.allow_failures {
            screen.document(
                &json!({"plugin": plugin, "published": false, "preview": tally.document()}),
            );
            let number = tally.would_fail_anew;
            screen.say(format!(
                "{} refused: {} would newly fail; `--allow-failures` goes on all the same",
                styled(RED, "✗"),
                counted(number, "object"),
            ));
            return Ok(Ended::Badly);
        }
        if !consent.yes && !is_agreed(screen, "`--yes` does it without asking")? {
            screen.say("nothing was done");
            return Ok(Ended::Badly);
        }
        keep(&place.bucket, plugin, now.as_ref()).await?;
        write(&place.bucket, plugin, now.as_ref(), module).await?;
        screen.say(format!("{} published as `{plugin}`", styled(GREEN, "✓")));
        previewed = Some(tally.document());
    }
    let synced = sync_affected(place, &affected, screen).await?;
    synced.show(screen, "");
    screen.document(&json!({
        "plugin": plugin, "sha256": module.digest, "published": !is_there, "preview": previewed, "sync": synced.json(),
    }));
    synced.ended()
}

/// What the module would change, wherever it would. Its machine code is kept for the functions, so that
/// none has to compile it when it is published.
async fn preview_all(
    place: &Place,
    plugin: &str,
    affected: &Affected,
    module: &ModuleFile,
    screen: &Screen,
) -> Result<Tally> {
    let mut all = Tally::default();
    for prefix in affected.to_preview() {
        let request = PreviewRequest {
            prefix,
            plugin: Some(plugin.to_owned()),
            keep_compiled: true,
            ..PreviewRequest::default()
        };
        all.extend(preview::run(&place.reach, module, request, screen).await?);
    }
    Ok(all)
}

/// Keeps what is there now, where the bucket does not do that itself.
async fn keep(bucket: &Bucket, plugin: &str, now: Option<&Object>) -> Result<()> {
    let Some(now) = now.filter(|now| now.version_id.as_deref().is_none_or(|id| id == "null"))
    else {
        return Ok(());
    };
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let digest = sha256(&now.body);
    let start = digest.get(..12).unwrap_or_default();
    let key = format!(
        "{}{:013}-{start}.wasm",
        previous(bucket, plugin),
        time.as_millis()
    );
    bucket.put(&key, now.body.clone()).await
}

/// Where earlier versions of a plugin are.
pub(super) fn previous(bucket: &Bucket, plugin: &str) -> String {
    bucket.plugin_key(&format!(".previous/{plugin}/"))
}

/// Writes the module over what was looked at, and over nothing else.
async fn write(
    bucket: &Bucket,
    plugin: &str,
    now: Option<&Object>,
    module: &ModuleFile,
) -> Result<()> {
    let before = now.map_or(Before::Nothing, |now| Before::Etag(&now.etag));
    let key = bucket.plugin_key(plugin);
    match bucket.put_if(&key, module.bytes.clone(), before).await? {
        Written::Done => Ok(()),
        Written::Overtaken => Err(problem(
            format!(
                "somebody else has published `{plugin}` meanwhile: theirs is there, yours was not written"
            ),
            "look at what theirs does, and publish again: the preview then compares with it",
        )),
    }
}

/// Goes through all that the plugin may take until it is up to date, whoever does the work.
async fn sync_affected(place: &Place, affected: &Affected, screen: &Screen) -> Result<Outcome> {
    let mut all = Outcome::default();
    if let Some(object) = &affected.object
        && place.bucket.has(object).await?
    {
        screen.remark(format!("bringing `{}` up to date", short(object, 100)));
        all.extend(sync::one(&place.reach, &place.bucket.name, object).await?);
    }
    for prefix in &affected.prefixes {
        screen.remark(format!("bringing `{}` up to date", short(prefix, 100)));
        let request = json!({"prefix": prefix});
        all.extend(sync::go_through(&place.reach, &request, screen, 0).await?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_convention_a_plugin_takes_the_object_and_the_folder_of_its_name() {
        let affected = affected(&PluginList::default(), "flags.wasm").expect("it takes some");
        assert_eq!(affected.prefixes, ["flags/"]);
        assert_eq!(affected.object.as_deref(), Some("flags"));
    }

    #[test]
    fn by_a_manifest_it_takes_what_its_routes_do_and_without_one_nothing_is_known() {
        let affected = |manifest: &str, plugin| {
            let manifest = Some(Manifest::parse(manifest));
            let list = PluginList {
                manifest,
                ..PluginList::default()
            };
            affected(&list, plugin).map_err(|error| error.to_string())
        };
        let manifest = "[[route]]\nprefix = 'a/b/'\nplugin = 'x.wasm'\n\
            [[route]]\nprefix = 'a/'\nplugin = ['y.wasm', 'x.wasm']\n\
            [[route]]\nprefix = 'c'\nplugin = 'x.wasm'\n";
        let taken = affected(manifest, "x.wasm").expect("it takes some");
        assert_eq!(
            (&*taken.prefixes, &taken.object),
            (&["a/".into(), "c".into()][..], &None)
        );
        let unknown = affected(manifest, "z.wasm").expect_err("no route has it");
        assert!(unknown.contains("has the plugin `z.wasm`"), "{unknown}");
        let broken = affected("[[route]]\nprefix = 1", "x.wasm").expect_err("it is broken");
        assert!(broken.contains("is not valid"), "{broken}");
    }
}
