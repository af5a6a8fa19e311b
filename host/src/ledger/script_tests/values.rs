//! What a commit writes and publishes.

use super::*;
use crate::ledger::call::{DIGEST, STAGE};

/// Kills: a kind written by another command, elements cut or shifted, expiries left out.
#[tokio::test]
async fn every_kind_of_value_is_written_as_it_is() {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let mut expiring = entry("t", EntryValue::Bytes(bytes("x")));
    expiring.ttl_seconds = Some(60);
    let mut expiring_list = entry("u", EntryValue::List(vec![bytes("x")]));
    expiring_list.ttl_seconds = Some(60);
    let values = vec![
        entry(
            "h",
            EntryValue::Hash(vec![("f".into(), bytes("1")), ("g".into(), bytes(""))]),
        ),
        expiring,
        entry(
            "l",
            EntryValue::List((0..2500).map(|n: u32| bytes(&n.to_string())).collect()),
        ),
        expiring_list,
        entry("s", EntryValue::Set(vec![bytes("a"), bytes("b")])),
        entry(
            "z",
            EntryValue::SortedSet(vec![(bytes("late"), 2.5), (bytes("early"), -1.0)]),
        ),
        entry("b", EntryValue::Bytes(bytes("plain"))),
    ];
    let mut server = Server::start().await;
    server
        .set("HSET redis-sync:object:b/o issued 9\n LPUSH b of~another~kind")
        .await;
    let call = whole(&[object("o", 9, entries(values))], &[], &OPTIONS);
    assert_eq!(server.answer(&call).await, "committed");
    let mut state = server.state().await;
    state
        .as_object_mut()
        .unwrap()
        .retain(|key, _| !key.starts_with("redis-sync:"));
    let list: Vec<String> = (0..2500).map(|number: u32| number.to_string()).collect();
    let expected = json!({
        "h": {"f": "1", "g": ""}, "t?": "x", "l": list, "u?": ["x"], "s": ["a", "b"],
        "z": ["early", "late"], "b": "plain",
    });
    assert_eq!(state, expected);
}

/// Kills: a change that is not published, or published where nothing was committed.
#[tokio::test]
async fn every_changed_key_is_published_once_after_the_commit() {
    let mut server = Server::start().await;
    server
        .set("HSET redis-sync:object:b/o issued 9 ticket 5 keys [\"k\",\"l\"]\n HSET redis-sync:owners k 5~b/o l 5~b/o\n MSET k old l old")
        .await;
    let client = redis::Client::open(server.redis.url()).unwrap();
    let mut listener = client.get_async_pubsub().await.unwrap();
    listener.subscribe("changes").await.unwrap();
    let options = CommitOptions {
        channel: Some("changes"),
        ..OPTIONS
    };
    let call = whole(&[object("o", 9, texts(&["k", "n"]))], &["l"], &options);
    for _ in 0..2 {
        assert_eq!(server.answer(&call).await, "committed");
    }
    server
        .redis
        .command(&["PUBLISH", "changes", "end"])
        .await
        .unwrap();
    let mut published = Vec::new();
    let mut messages = listener.into_on_message();
    while let Some(message) = futures::StreamExt::next(&mut messages).await {
        let key: String = message.get_payload().unwrap();
        if key == "end" {
            break;
        }
        published.push(key);
    }
    assert_eq!(published, ["l", "k", "n"]);
}

/// Kills: a chunk that is added again when it is sent again, or to a value that has lost some of it meanwhile; one without
/// an expiry.
#[tokio::test]
async fn a_chunk_is_added_once_and_only_to_what_was_there_before() {
    let mut server = Server::start().await;
    let chunk = |command: &str, before: &str, arguments: &[&str]| {
        let size = arguments.len().to_string();
        Call::new(&STAGE)
            .key("stage")
            .arguments([command, before, &size, "900"])
            .arguments(arguments.iter().copied())
    };
    let list = |before, items: &[&str]| chunk("RPUSH", before, items);
    let held = |items: &[&str]| json!({"stage?": items});
    for (name, state, call, answer, after) in [
        (
            "the first",
            "",
            list("0", &["a", "b"]),
            "2",
            held(&["a", "b"]),
        ),
        (
            "the next",
            "RPUSH stage a b",
            list("2", &["c"]),
            "3",
            held(&["a", "b", "c"]),
        ),
        (
            "once more",
            "RPUSH stage a b c\n EXPIRE stage 900",
            list("2", &["c"]),
            "3",
            held(&["a", "b", "c"]),
        ),
        (
            "late",
            "RPUSH stage a b c d\n EXPIRE stage 900",
            list("2", &["c"]),
            "-1",
            held(&["a", "b", "c", "d"]),
        ),
        ("evicted", "", list("2", &["c"]), "-1", json!({})),
        (
            "of a replica",
            "RPUSH stage a\n EXPIRE stage 900",
            list("2", &["c"]),
            "-1",
            held(&["a"]),
        ),
        (
            "what is there already",
            "SADD stage a b\n EXPIRE stage 900",
            chunk("SADD", "2", &["a"]),
            "2",
            held(&["a", "b"]),
        ),
    ] {
        server.set(state).await;
        assert_eq!(server.answer(&call).await, answer, "{name}");
        assert_eq!(server.state().await, after, "{name}");
    }
    server.set("").await;
    for (before, place, text) in [("0", "0", "ab"), ("2", "2", "c"), ("2", "2", "c")] {
        let size = text.len().to_string();
        let call = Call::new(&STAGE)
            .key("stage")
            .arguments(["SETRANGE", before, &size, "900", place, text]);
        server.answer(&call).await;
    }
    assert_eq!(server.state().await, json!({"stage?": "abc"}));
}

/// Kills: a chunk that stays for ever, since the user may add it and may not have it expire.
#[tokio::test]
async fn nothing_is_staged_that_cannot_expire() {
    let mut server = Server::start().await;
    server.set("ACL SETUSER default -expire").await;
    let call = Call::new(&STAGE)
        .key("stage")
        .arguments(["RPUSH", "0", "1", "900", "a"]);
    let answer: Result<redis::Value, _> = call.invoke(&mut server.connection).await;
    assert!(answer.unwrap_err().to_string().contains("EXPIRE"));
    assert_eq!(server.state().await, json!({}));
}

/// Whatever somebody has put there, Redis serves others meanwhile.
///
/// Kills: pieces that are counted by elements however large these are, and a value gone through that has more elements
/// than any of ours.
#[tokio::test]
async fn what_is_digested_at_a_time_is_bounded_by_its_size() {
    let mut server = Server::start().await;
    let fill = "for i = 1, 100 do redis.call('RPUSH', 'large', string.rep('x', 65536)) end";
    let _: redis::Value = server.ask(&["EVAL", fill, "0"]).await;
    server.set_more("RPUSH small a b c").await;
    for (key, most, gone_through, next) in [
        ("large", "1000", 1..40, true),
        ("small", "3", 3..4, false),
        ("small", "2", 3..4, false),
    ] {
        let call = Call::new(&DIGEST).key(key).arguments(["0", "2000", most]);
        let answer = server.answer(&call).await;
        let words: Vec<&str> = answer.split(' ').collect();
        let [_, _, length, visited, sums @ .., place] = words.as_slice() else {
            panic!("{answer}");
        };
        assert!(gone_through.contains(&visited.parse().unwrap()), "{answer}");
        assert_eq!(*place != "0", next, "{answer}");
        let is_too_long = length.parse::<u64>().unwrap() > most.parse().unwrap();
        assert_eq!(sums == ["0", "0", "0"], is_too_long, "{answer}");
    }
}
