use super::*;
use crate::ledger::Verdict;
use crate::ledger::owner::mark;
use crate::ledger::script_tests::texts;
use redis_sync_local::{Redis, RedisCluster};
use std::time::{Duration, Instant};

#[test]
fn a_scan_that_goes_on_from_a_place_reads_what_is_left_and_no_more() {
    let (hashes, mut read) = (600, Vec::new());
    let (ours, others) = (["a".to_owned()], ["b".to_owned()]);
    let mut place = ScanPlace::front(ours.to_vec(), hashes);
    loop {
        let json = serde_json::to_string(&place).unwrap();
        place = serde_json::from_str(&json).unwrap();
        assert!(place.is_of(&ours, hashes));
        assert!(!place.is_of(&ours, 1) && !place.is_of(&others, hashes));
        let next = place.next();
        if next.is_empty() {
            break;
        }
        // Every third has a second part.
        let long = |(hash, cursor): &(usize, u64)| hash % 3 == 0 && *cursor == 0;
        let begun = next.iter().filter(|next| long(next));
        place.begun.extend(begun.map(|(hash, _)| (*hash, 7)));
        read.extend(next);
    }
    let first = (0..hashes).map(|hash| (hash, 0));
    let second = (0..hashes).step_by(3).map(|hash| (hash, 7));
    let all: HashSet<_> = first.chain(second).collect();
    assert_eq!(read.len(), all.len());
    assert_eq!(read.into_iter().collect::<HashSet<_>>(), all);
}

/// Whatever is kept in Redis may be somebody else's.
#[test]
fn a_place_in_hashes_that_are_not_there_is_of_no_scan() {
    let servers = ["a".to_owned()];
    let place = |untouched, hash| ScanPlace {
        untouched,
        begun: vec![(hash, 7)],
        ..ScanPlace::front(servers.to_vec(), 600)
    };
    assert!(place(600, 599).is_of(&servers, 600));
    assert!(!place(600, 600).is_of(&servers, 600));
    assert!(!place(601, 0).is_of(&servers, 600));
}

/// Keys that have owners.
const OWNED: usize = 3000;

async fn own(redis: &Redis) {
    let pairs = (0..OWNED).flat_map(|number| [format!("key:{number}"), "owner".to_owned()]);
    let command: Vec<String> = ["HSET".to_owned(), "redis-sync:owners".to_owned()]
        .into_iter()
        .chain(pairs)
        .collect();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    redis.command(&command).await.unwrap();
}

async fn rest(ledger: &Ledger, mut scan: OwnersScan) -> HashSet<String> {
    let mut read = HashSet::new();
    while let Some(owned) = ledger.next_owned(&mut scan).await.unwrap() {
        read.extend(owned.into_iter().map(|(key, _)| key));
    }
    read
}

/// A server that has started again keeps its keys in another order, as one does that has taken over.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_passed_over_where_another_server_takes_over() {
    let redis = Redis::start().await.unwrap();
    let ledger = Ledger::in_redis(&redis, false);
    own(&redis).await;
    let mut scan = ledger.scan_owners(None).await.unwrap();
    let first = ledger.next_owned(&mut scan).await.unwrap().unwrap();
    let place = scan.place().clone();
    let left = OWNED - first.len();
    // As long as it is the same one, what is left is read and no more.
    let again = ledger.scan_owners(Some(place.clone())).await.unwrap();
    let read = rest(&ledger, again).await.len();
    assert!((left..OWNED).contains(&read), "{read}");

    redis.restart().await.unwrap();
    own(&redis).await;
    let again = ledger.scan_owners(Some(place)).await.unwrap();
    assert_eq!(rest(&ledger, again).await.len(), OWNED);
    assert_eq!(rest(&ledger, scan).await.len(), OWNED);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_cluster_that_fails_over_another_node_is_primary() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let before = ledger.servers().await.unwrap();
    let primaries = before.iter().filter(|server| server.ends_with("master"));
    assert_eq!(primaries.count(), 3, "{before:?}");
    let takes_over = ["CLUSTER", "FAILOVER", "FORCE"];
    cluster.replicas()[0].command(&takes_over).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while ledger.servers().await.unwrap() == before {
        assert!(Instant::now() < deadline, "{before:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a scan of all owners removes.
async fn removed(ledger: &Ledger) -> u64 {
    let mut scan = ledger.scan_owners(None).await.unwrap();
    let mut removed = 0;
    while let Some(candidates) = ledger.next_candidates(&mut scan, |_| true).await.unwrap() {
        for candidates in candidates {
            let orphans = ledger.orphans(&candidates).await.unwrap();
            removed += ledger.remove_orphans(&orphans).await.unwrap();
        }
    }
    removed
}

/// A Redis key that is owned as is noted.
async fn note(ledger: &Ledger, key: &str, owner: &str) {
    let owners = ledger.names.owners_of(key);
    for words in [vec!["SET", key, "v"], vec!["HSET", &owners, key, owner]] {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        ledger.send::<redis::Value>(&command).await.unwrap();
    }
}

async fn exists(ledger: &Ledger, key: &str) -> bool {
    ledger.send(redis::cmd("EXISTS").arg(key)).await.unwrap()
}

/// Two objects have handed a key over, and neither yields it any more; then the key's shard fails over to when it was
/// reserved.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_given_back_to_an_object_that_does_not_yield_it_goes_too() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    for object in ["x", "y"] {
        let nothing = ledger.proposal(object, texts(&[])).await;
        let committed = ledger.commit(&mut [nothing]).await.unwrap();
        assert_eq!(committed, Verdict::Committed);
    }
    for noted in [
        "?3 8 config/x2 config/y",
        "?5 8 config/y?4 8 config/x?3 8 config/y2 config/y",
    ] {
        note(&ledger, "k", noted).await;
        assert_eq!(removed(&ledger).await, 1);
        assert!(!exists(&ledger, "k").await);
        assert_eq!(ledger.owners(&["k"]).await.unwrap(), [None]);
    }
}

/// Its worker died long ago, and the object fails since: nobody else would ever get the key.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_reserved_long_ago_is_given_back_also_by_an_object_that_has_not_finished() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let yields = ledger.proposal("y", texts(&["k", "l", "m"])).await;
    ledger.commit(&mut [yields]).await.unwrap();
    let owned = ledger.owners(&["k", "l", "m"]).await.unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    // Whatever its ticket says: that is by another server's clock.
    for ticket in ["3", "7zzzzzzzz"] {
        let reserved = |at: u64, key: usize| {
            let owner = owned[key].as_deref().unwrap();
            format!("?{ticket}:{} 8 config/x{owner}", mark(at))
        };
        // A clock that was ahead has been set back since.
        note(&ledger, "k", &reserved(now - 3700, 0)).await;
        note(&ledger, "m", &reserved(now + 3700, 2)).await;
        let recent = reserved(now - 3500, 1);
        note(&ledger, "l", &recent).await;
        assert_eq!(removed(&ledger).await, 0);
        let left = ledger.owners(&["k", "l", "m"]).await.unwrap();
        assert_eq!(left, [owned[0].clone(), Some(recent), owned[2].clone()]);
        assert!(exists(&ledger, "k").await);
    }
}

/// A failover at home has undone the announcement of a commit that has come no farther.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_an_object_has_reserved_and_had_before_is_its_own_again() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let yields = ledger.proposal("x", texts(&["k"])).await;
    ledger.commit(&mut [yields]).await.unwrap();
    let owned = ledger.owners(&["k"]).await.unwrap();
    let owner = owned[0].as_deref().unwrap();
    note(&ledger, "k", &format!("?7zzzzzzzz 8 config/x{owner}")).await;
    assert_eq!(removed(&ledger).await, 0);
    assert!(exists(&ledger, "k").await);
    assert_eq!(ledger.owners(&["k"]).await.unwrap(), owned);
}

/// A failover at home has undone the commit that wrote it, and the object does not come as far as another one.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_object_that_fails_had_last_is_no_orphan() {
    let redis = Redis::start().await.unwrap();
    let ledger = Ledger::in_redis(&redis, false);
    let earlier = ledger.proposal("o", texts(&["old"])).await;
    ledger.commit(&mut [earlier]).await.unwrap();
    let later = Owner::new(8_000_000_000_000_000, "config/o".to_owned());
    note(&ledger, "last", &later.to_string()).await;
    let failing = ledger.proposal("o", texts(&[])).await;
    let ticket = failing.ticket.number;
    ledger
        .record_failure("o", ticket, "why", None)
        .await
        .unwrap();
    assert_eq!(removed(&ledger).await, 0);
    assert!(exists(&ledger, "last").await && exists(&ledger, "old").await);
    let mended = ledger.proposal("o", texts(&["new"])).await;
    ledger.commit(&mut [mended]).await.unwrap();
    assert_eq!(removed(&ledger).await, 1);
    assert!(!exists(&ledger, "last").await && exists(&ledger, "new").await);
}

/// Whoever writes it has not come to the end, and may be at it still.
///
/// Kills: a search that does not look whether a commit was announced.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_commit_that_has_not_ended_is_no_orphan() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let first = ledger.proposal("o", texts(&["old"])).await;
    ledger.commit(&mut [first]).await.unwrap();
    let second = ledger.proposal("o", texts(&["new"])).await;
    ledger.announce(0, &second).await.unwrap().unwrap();
    let written = Owner::new(second.ticket.number, "config/o".to_owned());
    note(&ledger, "new", &written.to_string()).await;
    assert_eq!(removed(&ledger).await, 0);
    assert!(exists(&ledger, "new").await);
}
