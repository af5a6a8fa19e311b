//! The commit of one server.

use super::*;

/// State before, proposals, keys declared besides theirs, options; answer, state after.
struct Case {
    name: &'static str,
    before: &'static str,
    proposals: Vec<Proposal>,
    known: &'static [&'static str],
    adopt: bool,
    answer: &'static str,
    /// `None` where nothing changes.
    after: Option<Value>,
}

/// Redis after `b/o` was committed under ticket 5 with the keys k and l.
const COMMITTED: &str = "HSET redis-sync:object:b/o ticket 5 s D k ^k^l
    HSET redis-sync:owners k 5~b/o l 5~b/o
    ZADD redis-sync:index:b 0 o
    MSET k old l old";

/// The same with a later ticket issued.
const ISSUED: &str = "HSET redis-sync:object:b/o issued 9 ticket 5 s D k ^k^l
    HSET redis-sync:owners k 5~b/o l 5~b/o
    ZADD redis-sync:index:b 0 o
    MSET k old l old";

fn case(name: &'static str, before: &'static str, proposals: Vec<Proposal>) -> Case {
    Case {
        name,
        before,
        proposals,
        known: &["k", "l"],
        adopt: true,
        answer: "committed",
        after: None,
    }
}

impl Case {
    fn answers(self, answer: &'static str) -> Self {
        Self { answer, ..self }
    }

    fn leaves(self, after: Value) -> Self {
        let after = Some(after);
        Self { after, ..self }
    }
}

async fn check(cases: Vec<Case>) {
    let mut server = Server::start().await;
    for case in cases {
        server.set(case.before).await;
        let before = server.state().await;
        let options = CommitOptions {
            adopt: case.adopt,
            ..OPTIONS
        };
        let call = whole(&case.proposals, case.known, &options);
        assert_eq!(server.answer(&call).await, case.answer, "{}", case.name);
        let after = server.state().await;
        assert_eq!(after, case.after.unwrap_or(before), "{}", case.name);
    }
}

/// Kills: without `committed > number` (superseded), without `issued < number` (stale), a commit
/// that is carried out again (`done`).
#[tokio::test]
async fn a_ticket_counts_once_and_only_while_it_is_the_latest() {
    let newer = "HSET redis-sync:object:b/o issued 9 ticket 9
        SET k new";
    let repeated = "HSET redis-sync:object:b/o issued 5 ticket 5 keys [\"k\"]
        SET k overwritten";
    check(vec![
        case(
            "a later ticket has committed",
            newer,
            vec![object("o", 5, texts(&["k"]))],
        )
        .answers("superseded 0"),
        case(
            "the second object's",
            newer,
            vec![object("p", 0, texts(&[])), object("o", 5, texts(&[]))],
        )
        .answers("superseded 1"),
        case(
            "the record was lost",
            "SET k new",
            vec![object("o", 5, texts(&["k"]))],
        )
        .answers("stale 0"),
        case(
            "the record was lost, and a later ticket was taken since",
            "HSET redis-sync:object:b/o issued 20
            HSET redis-sync:owners k C~b/o
            SET k new",
            vec![object("o", 9, texts(&["k"]))],
        )
        .answers("stale 0 12"),
        case(
            "a repetition changes nothing",
            repeated,
            vec![object("o", 5, texts(&["k"]))],
        ),
    ])
    .await;
}

/// Kills: owners of removed keys left behind, keys removed that another object owns, keys left whose
/// owners were lost, a record that does not know its keys.
#[tokio::test]
async fn what_an_object_yields_replaces_what_it_had() {
    let record = |keys: &[&str]| json!({"ticket": "9", "keys": keys});
    let taken_over = "HSET redis-sync:object:b/o issued 9 ticket 5 keys [\"k\",\"l\"]
        HSET redis-sync:owners k 5~b/o l 7~b/p
        MSET k old l theirs";
    let owners_lost = "HSET redis-sync:object:b/o issued 9 ticket 5 keys [\"k\",\"l\"]
        MSET k old l old";
    check(vec![
        case(
            "the first",
            "HSET redis-sync:object:b/o issued 9 error e error_at 1",
            vec![object("o", 9, texts(&["k"]))],
        )
        .leaves(json!({
            "k": "v", "redis-sync:owners": {"k": "9 b/o"}, "redis-sync:index:b": ["o"],
            "redis-sync:object:b/o": record(&["k"]),
        })),
        case("fewer keys", ISSUED, vec![object("o", 9, texts(&["k"]))]).leaves(json!({
            "k": "v", "redis-sync:owners": {"k": "9 b/o"}, "redis-sync:index:b": ["o"],
            "redis-sync:object:b/o": record(&["k"]),
        })),
        case("gone", ISSUED, vec![gone("o", 9)])
            .leaves(json!({"redis-sync:object:b/o?": {"ticket": "9"}})),
        case(
            "a key that another object has taken over stays",
            taken_over,
            vec![object("o", 9, texts(&["k"]))],
        )
        .leaves(json!({
            "k": "v", "l": "theirs", "redis-sync:owners": {"k": "9 b/o", "l": "7 b/p"},
            "redis-sync:index:b": ["o"], "redis-sync:object:b/o": record(&["k"]),
        })),
        case(
            "owners were lost",
            owners_lost,
            vec![object("o", 9, texts(&["k"]))],
        )
        .leaves(json!({
            "k": "v", "redis-sync:owners": {"k": "9 b/o"}, "redis-sync:index:b": ["o"],
            "redis-sync:object:b/o": record(&["k"]),
        })),
        Case {
            known: &["k"],
            ..case(
                "a key that is not declared",
                ISSUED,
                vec![object("o", 9, texts(&["k"]))],
            )
        }
        .answers("undeclared l"),
    ])
    .await;
}

/// Kills: unchanged without a look at the digest, the keys recorded, the owners, or at whether the
/// keys exist.
#[tokio::test]
async fn unchanged_holds_only_where_record_owners_and_keys_say_so() {
    let keep = |keys: &[&str], digest| vec![unchanged("o", 9, keys, digest)];
    let expired = "HSET redis-sync:object:b/o issued 9 ticket 5 s D k ^k^l
        HSET redis-sync:owners k 5~b/o l 5~b/o
        SET k old";
    let rewritten = "HSET redis-sync:object:b/o issued 9 ticket 5 s D k ^k
        HSET redis-sync:owners k 4~b/o
        SET k older";
    check(vec![
        case("all is as it was", ISSUED, keep(&["k", "l"], "D")).leaves(json!({
            "k": "old", "l": "old", "redis-sync:owners": {"k": "5 b/o", "l": "5 b/o"},
            "redis-sync:index:b": ["o"],
            "redis-sync:object:b/o": {"ticket": "9", "written": "5", "keys": ["k", "l"]},
        })),
        case("another digest", ISSUED, keep(&["k", "l"], "E")).answers("changed 0"),
        case("another key recorded", ISSUED, keep(&["k"], "D")).answers("changed 0"),
        case("a key is gone", expired, keep(&["k", "l"], "D")).answers("changed 0"),
        case("a key of an earlier ticket", rewritten, keep(&["k"], "D")).answers("changed 0"),
    ])
    .await;
}

/// Kills: ownership not looked at, a stranger's key taken in spite of `adopt`, an object's own key
/// refused to it, swaps refused, two claims of one key accepted.
#[tokio::test]
async fn a_key_is_written_by_one_object() {
    let issued = "HSET redis-sync:object:b/o issued 9
        HSET redis-sync:object:b/p issued 9 ticket 5 keys [\"k\"]";
    let owned = "HSET redis-sync:object:b/o issued 9
        HSET redis-sync:object:b/p issued 9 ticket 5 keys [\"k\"]
        HSET redis-sync:owners k 5~b/p m 5~other/q
        MSET k theirs m theirs";
    let strangers = "HSET redis-sync:object:b/o issued 9
        SET k theirs";
    let own = "HSET redis-sync:object:b/o issued 9 ticket 5 keys [\"k\"]
        SET k old";
    let written = |owner: &str, rest: Value| {
        let mut after = json!({
            "k": "v", "redis-sync:owners": {"k": format!("9 b/{owner}")}, "redis-sync:index:b": [owner],
        });
        after
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        after
    };
    let record = json!({"ticket": "9", "keys": ["k"]});
    let none = json!({"ticket": "9"});
    let o = |keys: &[&str]| object("o", 9, texts(keys));
    check(vec![
        case("another object's", owned, vec![o(&["k"])]).answers("conflict 0 k b/p"),
        case("another bucket's", owned, vec![o(&["m"])]).answers("conflict 0 m other/q"),
        Case {
            adopt: false,
            ..case("a stranger's", strangers, vec![o(&["k"])])
        }
        .answers("conflict 0 k "),
        case("adopted", strangers, vec![o(&["k"])])
            .leaves(written("o", json!({"redis-sync:object:b/o": record}))),
        Case {
            adopt: false,
            ..case("its own, owners lost", own, vec![o(&["k"])])
        }
        .leaves(written("o", json!({"redis-sync:object:b/o": record}))),
        case(
            "claimed twice",
            issued,
            vec![o(&["k"]), object("p", 9, texts(&["k"]))],
        )
        .answers("conflict 1 k b/o"),
        case(
            "given up by its owner",
            owned,
            vec![o(&["k"]), gone("p", 9)],
        )
        .leaves(written(
            "o",
            json!({
                "m": "theirs", "redis-sync:owners": {"k": "9 b/o", "m": "5 other/q"},
                "redis-sync:object:b/o": record, "redis-sync:object:b/p?": none,
            }),
        )),
    ])
    .await;
}

/// What a committed state looks like to a repetition under the same ticket, whatever it holds.
#[tokio::test]
async fn a_state_that_was_committed_is_left_alone_by_its_own_ticket() {
    check(vec![case(
        "repeated",
        COMMITTED,
        vec![object("o", 5, texts(&["x", "y"]))],
    )])
    .await;
}

/// Kills: old records that are taken for what they say, or for nothing; keys and fields of theirs that stay.
#[tokio::test]
async fn what_an_earlier_version_has_recorded_is_rewritten() {
    let earlier =
        "HSET redis-sync:object:b/o issued 9 ticket 5 written 5 digest D etag e keys [\"k\",\"l\"]
        HSET redis-sync:owners k 1763868000000000~b/o l 1763868000000000~b/o
        ZADD redis-sync:index:b 0 o
        MSET k old l old";
    // Rolled back and forth: both have written.
    let both = "HSET redis-sync:object:b/o issued 9 ticket 5 s D k ^m keys [\"k\",\"l\"]
        MSET k old l old m old";
    let written = |keys: &[&str]| {
        json!({
            "k": "v", "redis-sync:owners": {"k": "9 b/o"}, "redis-sync:index:b": ["o"],
            "redis-sync:object:b/o": {"ticket": "9", "keys": keys},
        })
    };
    check(vec![
        case("fewer keys", earlier, vec![object("o", 9, texts(&["k"]))]).leaves(written(&["k"])),
        case(
            "unchanged",
            earlier,
            vec![unchanged("o", 9, &["k", "l"], "D")],
        )
        .answers("changed 0"),
        case("both", both, vec![object("o", 9, texts(&["k"]))]).answers("undeclared m"),
        Case {
            known: &["k", "l", "m"],
            ..case("both, declared", both, vec![object("o", 9, texts(&["k"]))])
        }
        .leaves(written(&["k"])),
        case("gone", earlier, vec![gone("o", 9)])
            .leaves(json!({"redis-sync:object:b/o?": {"ticket": "9"}})),
    ])
    .await;
}

/// Kills: a record of another prefix that is taken over, or one's own that is not; owners of either.
#[tokio::test]
async fn what_an_earlier_version_has_recorded_goes_to_the_prefix_of_its_keys() {
    let mut server = Server::start().await;
    let state = |keys: &str, owned: &str| {
        format!(
            "HSET redis-sync:object:b/o issued 5 ticket 5 digest D keys {keys}
            HSET redis-sync:owners {owned} 1763868000000000~b/o p:l 1763868000000000~b/o
            ZADD redis-sync:index:b 0 o 0 other
            HSET redis-sync:object:b@p:/o issued 9
            MSET {owned} old p:l old"
        )
    };
    let call = |keys: &[&str]| {
        let proposals = [object("o", 9, texts(keys))];
        whole_of("p:", &proposals, &["p:k", "p:l"], &OPTIONS)
    };
    server.set(&state("[\"p:k\",\"p:l\"]", "p:k")).await;
    assert_eq!(server.answer(&call(&["p:k"])).await, "committed");
    let after = json!({
        "p:k": "v", "redis-sync:owners": {"p:k": "9 b@p:/o"}, "redis-sync:index:b": ["other"],
        "redis-sync:index:b@p:": ["o"], "redis-sync:object:b@p:/o": {"ticket": "9", "keys": ["p:k"]},
    });
    assert_eq!(server.state().await, after);

    server.set(&state("[\"k\",\"p:l\"]", "k")).await;
    let before = server.state().await;
    assert_eq!(server.answer(&call(&["p:l"])).await, "conflict 0 p:l b/o");
    assert_eq!(server.state().await, before);
    assert_eq!(server.answer(&call(&["p:n"])).await, "committed");
    let after = server.state().await;
    for (key, value) in before.as_object().unwrap() {
        let is_its_own = ["redis-sync:owners", "redis-sync:object:b@p:/o"].contains(&key.as_str());
        assert!(is_its_own || after[key] == *value, "{key}");
    }
    assert_eq!(
        after["redis-sync:owners"]["p:l"],
        before["redis-sync:owners"]["p:l"]
    );

    // What a deployment without a prefix has written in this version.
    let now = "HSET redis-sync:object:b/o ticket 5 s D
        ZADD redis-sync:index:b 0 o
        HSET redis-sync:object:b@p:/o issued 9";
    server.set(now).await;
    assert_eq!(server.answer(&call(&["p:n"])).await, "committed");
    let after = server.state().await;
    assert_eq!(after["redis-sync:index:b"], json!(["o"]));
    assert_eq!(after["redis-sync:object:b/o"], json!({"ticket": "5"}));

    // Another object of the same prefix, whose keys were not taken over yet.
    server.set(&state("[\"p:k\",\"p:l\"]", "p:k")).await;
    let other = [object("other", 9, texts(&["p:k"]))];
    let call = whole_of("p:", &other, &[], &OPTIONS);
    server
        .redis
        .command(&["HSET", "redis-sync:object:b@p:/other", "issued", "9"])
        .await
        .unwrap();
    assert_eq!(server.answer(&call).await, "conflict 0 p:k b@p:/o");
}

/// Kills: a record that stays a table after an error, or after an earlier version has written it.
#[tokio::test]
async fn a_record_is_in_one_piece_of_memory_after_its_commit() {
    let mut server = Server::start().await;
    let long = "x".repeat(100);
    for before in [
        format!("error {long} error_at 1"),
        format!("ticket 5 digest {long}"),
        format!("ticket 5 digest d keys [\"{long}\"]"),
    ] {
        server
            .set(&format!("HSET redis-sync:object:b/o issued 9 {before}"))
            .await;
        let call = whole(&[object("o", 9, texts(&["k"]))], &[&long], &OPTIONS);
        assert_eq!(server.answer(&call).await, "committed");
        let encoding: String = server
            .ask(&["OBJECT", "ENCODING", "redis-sync:object:b/o"])
            .await;
        let whole = before.contains("keys") || before.contains("error");
        assert!(
            !whole || encoding == "listpack" || encoding == "ziplist",
            "{before}: {encoding}"
        );
    }
}
