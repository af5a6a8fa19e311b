//! Tickets, failures and orphans.

use super::*;
use crate::ledger::call::{FAIL, GENERATION, RAISE, RELEASE, REMOVE_ORPHANS, TICKET};

fn ticket(keys: &str) -> Call {
    Call::new(&TICKET)
        .key("record")
        .arguments(["100", keys, "7"])
        .arguments(["ticket", "s"])
}

/// Kills: tickets that run backwards when the record was lost, or repeat when the clock stands, or are
/// not larger than one that was committed or announced; a
/// record without a commit that is kept for ever; a list of keys of any size.
#[tokio::test]
async fn a_ticket_is_later_than_the_last_one_and_the_clock() {
    let mut server = Server::start().await;
    server.set("").await;
    let microseconds = |answer: &str| -> u64 { answer.split(' ').next().unwrap().parse().unwrap() };
    let now: Vec<u64> = server.ask(&["TIME"]).await;
    let first = server.answer(&ticket("100")).await;
    assert!(
        microseconds(&first) >= now[0] * 1_000_000 + now[1],
        "{first}"
    );
    assert!(first.ends_with(" nil nil nil nil"), "{first}");
    assert_eq!(server.ask::<i64>(&["TTL", "record"]).await, 100);
    let second = server.answer(&ticket("100")).await;
    assert!(microseconds(&second) > microseconds(&first));

    server
        .set("HSET record issued 9000000000000000 ticket 5 s D k ^k^l")
        .await;
    let ahead = server.answer(&ticket("6")).await;
    assert_eq!(ahead, "9000000000000007 5 D \0\u{1}k\0\u{1}l nil");
    assert_eq!(server.ask::<i64>(&["TTL", "record"]).await, -1);
    for known in ["ticket", "announced"] {
        let lost = format!("HSET record issued 5 {known} 9000000000000000");
        server.set(&lost).await;
        let later = server.answer(&ticket("9")).await;
        assert!(later.starts_with("9000000000000007 "), "{known}: {later}");
    }
    server
        .set("HSET record issued 9000000000000001 ticket 5 s D k ^k^l")
        .await;
    let long = server.answer(&ticket("5")).await;
    assert_eq!(long, "9000000000000008 5 D nil nil");
}

/// Kills: a generation that stays as it is when it is raised, or when a ticket comes after it was lost;
/// one that a ticket raises; one that is not larger than the clock, or than the last one.
#[tokio::test]
async fn a_ticket_comes_with_the_generation_which_starts_from_the_clock() {
    let mut server = Server::start().await;
    server.set("").await;
    let with = ticket("100").key("generation");
    let raise = Call::new(&GENERATION).key("generation").argument("7");
    let generation = |answer: &str| -> u64 { answer.rsplit(' ').next().unwrap().parse().unwrap() };
    let now: Vec<u64> = server.ask(&["TIME"]).await;
    let first = generation(&server.answer(&with).await);
    assert!(first >= now[0] * 1_000_000 + now[1], "{first}");
    assert_eq!(generation(&server.answer(&with).await), first);
    let raised = generation(&server.answer(&raise).await);
    assert!(raised > first, "{raised} after {first}");
    assert_eq!(generation(&server.answer(&with).await), raised);
    let look = Call::new(&GENERATION).key("generation").argument("");
    assert_eq!(generation(&server.answer(&look).await), raised);
    server.set("SET generation 9000000000000000").await;
    assert_eq!(server.answer(&raise).await, "9000000000000007");
    server.set("").await;
    assert!(generation(&server.answer(&look).await) > raised);
}

/// Kills: a generation that a full Redis does not take, so that no plugin can be changed any more.
#[tokio::test]
async fn the_generation_is_raised_where_redis_is_full() {
    let mut server = Server::start().await;
    server.set("CONFIG SET maxmemory 1").await;
    let raise = Call::new(&GENERATION).key("generation").argument("1");
    let raised = server.answer(&raise).await;
    assert!(raised.parse::<u64>().is_ok(), "{raised}");
}

/// Kills: a failure that is recorded over a later commit, or that nobody finds.
#[tokio::test]
async fn a_failure_is_recorded_unless_a_later_ticket_has_committed() {
    let mut server = Server::start().await;
    let call = Call::new(&FAIL)
        .key("index")
        .key("record")
        .arguments(["7", "o", "broken", "1", "b"]);
    let failed = |ticket: &str| json!({"record": {"ticket": ticket, "error": "broken", "error_at": "1", "error_basis": "b"}, "index": ["o"]});
    for (before, after) in [("5", Some(failed("5"))), ("7", None), ("9", None)] {
        server
            .set(&format!("HSET record ticket {before}\n EXPIRE record 100"))
            .await;
        let unchanged = server.state().await;
        assert_eq!(server.answer(&call).await, "nil");
        assert_eq!(server.state().await, after.unwrap_or(unchanged), "{before}");
    }
}

/// Kills: a key removed that was written again meanwhile, an owner or a place in the record that
/// stays.
#[tokio::test]
async fn an_orphan_goes_unless_somebody_has_written_it_meanwhile() {
    let mut server = Server::start().await;
    server
        .set("HSET owners k 5~b/o l 7~b/o m 5~b/o\n HSET record k ^k^l\n MSET k v l v m v")
        .await;
    let call = Call::new(&REMOVE_ORPHANS)
        .key("owners")
        .key("record")
        .arguments(["100", ""])
        .key("k")
        .key("l")
        .arguments(["5 b/o", "5 b/o"]);
    assert_eq!(server.answer(&call).await, "1");
    let left = json!({
        "l": "v", "m": "v", "owners": {"l": "7 b/o", "m": "5 b/o"}, "record": {"keys": ["l"]},
    });
    assert_eq!(server.state().await, left);
    let last = Call::new(&REMOVE_ORPHANS)
        .key("owners")
        .key("record")
        .arguments(["100", ""])
        .key("l")
        .argument("7 b/o");
    assert_eq!(server.answer(&last).await, "1");
    let left = json!({"m": "v", "owners": {"m": "5 b/o"}, "record?": {"keys": []}});
    assert_eq!(server.state().await, left);
}

/// Kills: a removal that comes late, when the object yields the key again.
#[tokio::test]
async fn on_one_server_what_a_record_lists_is_no_orphan() {
    let mut server = Server::start().await;
    server
        .set("HSET owners k 5~b/o l 5~b/o\n HSET record k ^k\n MSET k v l v")
        .await;
    let call = Call::new(&REMOVE_ORPHANS)
        .key("owners")
        .key("record")
        .arguments(["", ""])
        .key("k")
        .key("l")
        .arguments(["5 b/o", "5 b/o"]);
    assert_eq!(server.answer(&call).await, "1");
    let left = json!({"k": "v", "owners": {"k": "5 b/o"}, "record": {"keys": ["k"]}});
    assert_eq!(server.state().await, left);
}

/// Kills: a part of an earlier version that stays where nothing leads to it any more, or goes with keys that are no
/// orphans; one that has been written since and is changed.
#[tokio::test]
async fn an_orphan_leaves_what_an_earlier_version_has_noted_of_it() {
    let mut server = Server::start().await;
    let call = Call::new(&REMOVE_ORPHANS)
        .key("owners")
        .key("part")
        .arguments(["100", ""])
        .key("k")
        .argument("5 b/o")
        .key("part:earlier");
    for (noted, left) in [
        (r#"keys ["k"]"#, json!({})),
        (
            r#"keys ["k","l"]"#,
            json!({"part:earlier": {"keys": r#"["l"]"#}}),
        ),
        (
            r#"keys ["l"]"#,
            json!({"part:earlier": {"keys": r#"["l"]"#}}),
        ),
        ("k ^k", json!({"part:earlier": {"keys": ["k"]}})),
    ] {
        let before = format!("HSET owners k 5~b/o\n SET k v\n HSET part:earlier {noted}");
        server.set(&before).await;
        assert_eq!(server.answer(&call).await, "1");
        assert_eq!(server.state().await, left, "{noted}");
    }
}

/// Kills: a key released that somebody has written meanwhile, or one that stays.
#[tokio::test]
async fn a_key_is_released_unless_somebody_has_written_it_meanwhile() {
    let mut server = Server::start().await;
    server
        .set("HSET owners k 5~b/o l 7~b/o m 5~c/o\n MSET k v l v m v")
        .await;
    let call = Call::new(&RELEASE)
        .key("owners")
        .arguments(["k", "5 b/o", "l", "5 b/o"]);
    assert_eq!(server.answer(&call).await, "1");
    let left = json!({"k": "v", "l": "v", "m": "v", "owners": {"l": "7 b/o", "m": "5 c/o"}});
    assert_eq!(server.state().await, left);
    assert_eq!(server.answer(&call).await, "0");
}

/// Kills: tickets that stay smaller than one that a hash slot knows of, or one that is raised without need.
#[tokio::test]
async fn a_ticket_is_later_than_one_that_was_found_in_a_hash_slot() {
    let mut server = Server::start().await;
    let raise = Call::new(&RAISE)
        .key("record")
        .arguments(["9000000000000000", "100"]);
    for known in ["issued", "ticket", "announced"] {
        server
            .set(&format!("HSET record {known} 9000000000000000"))
            .await;
        assert_eq!(server.answer(&raise).await, "0", "{known}");
    }
    server.set("HSET record issued 7 ticket 5").await;
    assert_eq!(server.answer(&raise).await, "1");
    let later = server.answer(&ticket("9")).await;
    assert!(later.starts_with("9000000000000008 5 "), "{later}");
    server.set("").await;
    assert_eq!(server.answer(&raise).await, "1");
    assert_eq!(server.ask::<i64>(&["TTL", "record"]).await, 100);
}
