//! Each module is loaded once, found again, and dropped when there is no room.

use super::*;
use crate::plugin::precompile;
use crate::plugin::tests::{
    OTHER, PROGRAM, compile, compiler, compiler_within, module, run, sandbox,
};
use crate::settings::ArtifactSettings;
use futures::future::BoxFuture;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::{Barrier, watch};

fn cache(folder: Option<&Path>, room: u64) -> ModuleCache {
    let settings = ArtifactSettings {
        folder: folder.map(Path::to_owned),
        prefix: "compiled/".into(),
        key: None,
    };
    let sandbox = sandbox();
    let compiled = ArtifactStore::folder_only(&settings).unwrap();
    ModuleCache::new(sandbox, compiled, compiler(), Budget::new(u64::MAX), room)
}

fn kept(digest: &str) -> KeptModule<'_> {
    KeptModule {
        digest,
        bytes: 1 << 20,
        most: u64::MAX,
    }
}

async fn load(cache: &ModuleCache, name: &str, module: &Module) -> Result<Loaded, PluginError> {
    let etag = module.etag.clone();
    let module = module.clone();
    let fetch = move |_| {
        let module = module.clone();
        async move { Ok::<_, std::io::Error>(module) }
    };
    cache.load(name, &etag, fetch).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_read_and_compiled_once_however_many_wait_for_it() {
    let (cache, module) = (cache(None, 1 << 30), module(OTHER));
    let fetched = Arc::new(AtomicUsize::new(0));
    let fetch = {
        let (module, fetched) = (module.clone(), Arc::clone(&fetched));
        move |_| {
            fetched.fetch_add(1, Ordering::SeqCst);
            let module = module.clone();
            async move { Ok::<_, std::io::Error>(module) }
        }
    };
    let loads = (0..50).map(|_| cache.load("p.wasm", &module.etag, fetch.clone()));
    for loaded in futures::future::join_all(loads).await {
        assert!(loaded.unwrap().is_ok());
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_recently_used_plugin_goes_when_there_is_no_room() {
    let modules: Vec<Module> = (0..3)
        .map(|number| {
            module(&format!(
                "{} (func (result i32) (i32.const {number})))",
                &OTHER[..OTHER.len() - 1]
            ))
        })
        .collect();
    let size = u64::try_from(compile(&sandbox(), &modules[0]).size()).unwrap();
    let cache = cache(None, size * 5 / 2);
    for number in [0, 1, 0, 2] {
        load(&cache, &number.to_string(), &modules[number])
            .await
            .unwrap();
        cache.modules.run_pending_tasks().await;
    }
    let has = |number: usize| {
        cache
            .modules
            .contains_key(&(number.to_string(), modules[number].etag.clone()))
    };
    assert_eq!([has(0), has(1), has(2)], [true, false, true]);
    assert!(cache.modules.weighted_size() <= size * 5 / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_file_is_mapped_and_one_that_is_damaged_is_not() {
    let module = module(OTHER);
    let folder = tempfile::tempdir().unwrap();
    let file = precompile(&module.bytes, folder.path()).unwrap();
    let digest = crate::fingerprint::sha256(&module.bytes);
    let settings = ArtifactSettings {
        folder: Some(folder.path().to_owned()),
        prefix: "compiled/".into(),
        key: None,
    };
    let compiled = ArtifactStore::folder_only(&settings).unwrap();
    let sandbox = sandbox();
    let found = compiled
        .find(&sandbox, kept(&digest), &Account::unbounded())
        .await
        .unwrap();
    assert!(run(&found.plugin, "o").result.is_ok());
    assert!(
        compiled
            .find(&sandbox, kept("another module"), &Account::unbounded())
            .await
            .is_none()
    );

    // Not in place: the file is still mapped.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, b"damaged").unwrap();
    assert!(
        compiled
            .find(&sandbox, kept(&digest), &Account::unbounded())
            .await
            .is_none()
    );
    let cache = cache(Some(folder.path()), 1 << 30);
    assert!(
        load(&cache, "p.wasm", &module).await.is_ok(),
        "it is compiled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_was_replaced_after_the_listing_is_what_runs_and_is_not_kept_under_the_old_tag()
 {
    let (cache, old, new) = (cache(None, 1 << 30), module(OTHER), module(PROGRAM));
    let fetch = {
        let new = new.clone();
        move |_| {
            let new = new.clone();
            async move { Ok::<_, std::io::Error>(new) }
        }
    };
    let loaded = cache
        .load("p.wasm", &old.etag, fetch)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*loaded.digest, *crate::fingerprint::sha256(&new.bytes));
    let again = load(&cache, "p.wasm", &old).await.unwrap();
    assert_eq!(*again.digest, *crate::fingerprint::sha256(&old.bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_nobody_waits_for_any_more_is_there_in_the_end() {
    let (cache, module) = (cache(None, 1 << 30), module(OTHER));
    let (release, released) = tokio::sync::watch::channel(false);
    let slow = {
        let module = module.clone();
        move |_| {
            let (module, mut released) = (module.clone(), released.clone());
            async move {
                let _ = released.wait_for(|released| *released).await;
                Ok::<_, std::io::Error>(module)
            }
        }
    };
    let waiting = cache.load("p.wasm", &module.etag, slow);
    let given_up = tokio::time::timeout(Duration::from_millis(50), waiting).await;
    assert!(given_up.is_err());
    release.send(true).unwrap();
    while !cache
        .modules
        .contains_key(&("p.wasm".to_owned(), module.etag.clone()))
    {
        tokio::task::yield_now().await;
    }
    assert!(load(&cache, "p.wasm", &module).await.is_ok());
}

/// A compiler whose child is a shell script that ends with these lines, and a file that has a line for
/// each child.
fn scripted(folder: &Path, lines: &str) -> (Compiler, PathBuf) {
    let (script, count) = (folder.join("child"), folder.join("count"));
    let lines = format!("#!/bin/sh\necho >> {}\n{lines}\n", count.display());
    std::fs::write(&script, lines).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let limits = crate::plugin::CompileLimits {
        memory_bytes: 1 << 20,
        processor: Duration::from_secs(1),
    };
    (Compiler::new(script, limits), count)
}

/// Why each of the loads fails, and how many children there were, one that ends with these lines each
/// time.
async fn failures(names: &[&str], lines: &str) -> (Vec<PluginError>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let (compiler, count) = scripted(folder.path(), lines);
    let (sandbox, budget) = (sandbox(), Budget::new(u64::MAX));
    let cache = ModuleCache::new(sandbox, ArtifactStore::default(), compiler, budget, 1 << 30);
    let mut failures = Vec::new();
    for name in names {
        failures.extend(load(&cache, name, &module(OTHER)).await.err());
    }
    let children = std::fs::read_to_string(count).unwrap().lines().count();
    (failures, children)
}

/// Compiling may have taken all that it may: it is not tried again for the same bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_remembered_by_the_modules_digest() {
    let (failures, children) = failures(&["a.wasm", "b.wasm", "a.wasm"], "exit 3").await;
    assert_eq!((failures.len(), children), (3, 1));
    assert!(!failures.iter().any(PluginError::is_temporary));
}

/// A sync of a thousand objects is not to compile a module a thousand times that gets its compiler killed.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_interruption_the_module_waits_a_little_for_its_next_attempt() {
    let (failures, children) = failures(&["a.wasm", "b.wasm", "a.wasm"], "kill -KILL $$").await;
    assert_eq!((failures.len(), children), (3, 1));
    assert!(failures.iter().all(PluginError::is_temporary));
}

/// A module that takes so many MiB, read when all are in hand and it is its turn.
fn fetch(
    mib: u64,
    in_hand: &Arc<Barrier>,
    turn: &watch::Receiver<bool>,
) -> impl Fn(Account) -> BoxFuture<'static, std::io::Result<Module>> + Clone + use<> {
    let (in_hand, turn) = (Arc::clone(in_hand), turn.clone());
    move |account| {
        let (in_hand, mut turn) = (Arc::clone(&in_hand), turn.clone());
        Box::pin(async move {
            let (module, held) = (module(OTHER), account.take(mib << 20).await);
            in_hand.wait().await;
            let _ = turn.wait_for(|is_come| *is_come).await;
            Ok(Module {
                bytes: held.keep(module.bytes),
                ..module
            })
        })
    }
}

/// In a function of 1024 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn small_modules_are_compiled_while_large_ones_have_their_bodies_in_hand() {
    for (small, large) in [([1, 1], vec![40; 5]), ([2, 2], vec![13; 15])] {
        let (sandbox, artifacts) = (sandbox(), ArtifactStore::default());
        let budget = Budget::new(704 << 20);
        let cache = ModuleCache::new(sandbox, artifacts, compiler_within(448), budget, 1 << 30);
        let in_hand = Arc::new(Barrier::new(small.len() + large.len()));
        let load_all = async |kind: &str, sizes: &[u64], turn: &watch::Receiver<bool>| {
            let etag = module(OTHER).etag;
            let loads = sizes.iter().enumerate().map(async |(number, &mib)| {
                let name = format!("{kind}-{number}.wasm");
                cache.load(&name, &etag, fetch(mib, &in_hand, turn)).await
            });
            for loaded in futures::future::join_all(loads).await {
                assert!(loaded.unwrap().is_ok(), "{kind}");
            }
        };
        let (small_are_loaded, turn) = watch::channel(false);
        let (_now, now) = watch::channel(true);
        let all = async {
            let small = async {
                load_all("small", &small, &now).await;
                small_are_loaded.send_replace(true);
            };
            tokio::join!(small, load_all("large", &large, &turn));
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), all).await;
        assert!(
            in_time.is_ok(),
            "they wait for each other: {small:?}, {large:?}"
        );
    }
}
