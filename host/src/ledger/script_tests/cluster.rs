//! The scripts of a cluster in a hash slot: check, reserve and apply.

use super::*;
use crate::ledger::call::{APPLY, CHECK, FINISH, REMOVE_ORPHANS, RESERVE, UNRESERVE};

fn no_staged() -> BTreeMap<String, Staged> {
    BTreeMap::new()
}

/// Kills: a check that writes, that looks at no ticket, or at no owner.
#[tokio::test]
async fn a_check_says_what_is_in_the_way_and_writes_nothing() {
    let mut server = Server::start().await;
    let owned = "HSET part:o ticket 5 k ^k
        HSET owners k 5~b/o m 5~b/p
        MSET k old m theirs";
    for (keys, ticket, answer) in [
        (&["k", "n"][..], 9, "committed"),
        (&["m"], 9, "conflict 0 m b/p"),
        (&["k"], 4, "overtaken 0 5"),
        (&["other"], 5, "committed"),
        (&["k"], 5, "committed"),
    ] {
        server.set(owned).await;
        let before = server.state().await;
        let call = in_slot(
            &CHECK,
            &[object("o", ticket, texts(keys))],
            &[],
            &no_staged(),
        );
        assert_eq!(
            server.answer(&call).await,
            answer,
            "{keys:?} under {ticket}"
        );
        assert_eq!(server.state().await, before, "{keys:?} under {ticket}");
    }
}

/// Kills: a straggler that overwrites a later ticket's part, keys left behind, owners left behind, a
/// part of nothing that is kept for ever.
#[tokio::test]
async fn a_slot_takes_the_latest_ticket_that_came_to_it() {
    let mut server = Server::start().await;
    let part = "HSET part:o ticket 5 k ^k^l
        HSET owners k 5~b/o l 5~b/o
        MSET k old l old";
    let apply =
        |proposal: Proposal, known: &[&str]| in_slot(&APPLY, &[proposal], known, &no_staged());
    for (name, call, answer, after) in [
        (
            "fewer keys",
            apply(object("o", 9, texts(&["k"])), &["l"]),
            "committed",
            Some(
                json!({"k": "v", "owners": {"k": "9 b/o"}, "part:o": {"ticket": "9", "keys": ["k"]}}),
            ),
        ),
        (
            "nothing is left here",
            apply(object("o", 9, texts(&[])), &["k", "l"]),
            "committed",
            Some(json!({"part:o?": {"ticket": "9"}})),
        ),
        (
            "undeclared",
            apply(object("o", 9, texts(&["k"])), &[]),
            "undeclared l",
            None,
        ),
        (
            "a straggler",
            apply(object("o", 4, texts(&["k"])), &["l"]),
            "overtaken 0 5",
            None,
        ),
        (
            "a repetition",
            apply(object("o", 5, texts(&["k"])), &["l"]),
            "committed",
            None,
        ),
        (
            "unchanged of another digest",
            apply(unchanged("o", 9, &["k", "l"], "D"), &[]),
            "changed 0",
            None,
        ),
    ] {
        server.set(part).await;
        let before = server.state().await;
        assert_eq!(server.answer(&call).await, answer, "{name}");
        let state = server.state().await;
        assert_eq!(state, after.unwrap_or(before), "{name}");
    }
}

/// Kills: staged values that are copied in part, keep their expiry, or are taken for there when they
/// are not.
#[tokio::test]
async fn a_staged_value_becomes_the_keys_own() {
    let mut server = Server::start().await;
    let staged = BTreeMap::from([(
        "k".to_owned(),
        Staged {
            key: "stage".to_owned(),
            length: 5,
        },
    )]);
    let proposals = [object("o", 9, texts(&["k"]))];
    for (state, answer) in [
        (
            "SET stage large EX 900\n SET k old\n HSET owners k 5~b/o",
            "committed",
        ),
        ("SET k old\n HSET owners k 5~b/o", "unstaged"),
        (
            "SET stage larg EX 900\n SET k old\n HSET owners k 5~b/o",
            "unstaged",
        ),
    ] {
        server.set(state).await;
        let call = in_slot(&APPLY, &proposals, &[], &staged);
        assert_eq!(server.answer(&call).await, answer);
        let held = server.state().await["k"].clone();
        assert_eq!(
            held,
            if answer == "committed" {
                "large"
            } else {
                "old"
            }
        );
        let is_left = server.state().await.get("stage?").is_some();
        assert_eq!(is_left, state.contains("larg "));
    }
}

fn reserve(proposals: &[Proposal]) -> Call {
    in_slot(&RESERVE, proposals, &[], &no_staged())
}

fn unreserve(ticket: &str) -> Call {
    Call::new(&UNRESERVE)
        .key("owners")
        .key("part:o")
        .arguments([ticket, "b/o"])
}

/// Kills: a key reserved that another object has or has reserved, some reserved where others cannot be, an owner
/// before that is forgotten, an own key that is not reserved or one that is to stay as it is, an earlier ticket that
/// reserves over a later one, be it of another object of the commit, or after it.
#[tokio::test]
async fn keys_are_reserved_all_or_none_and_nothing_is_written() {
    let mut server = Server::start().await;
    let o = |ticket, keys: &[&str]| object("o", ticket, texts(keys));
    let state = "HSET part:o ticket 5 k ^k v ^r^t
        HSET owners k 5~b/o m 5~b/p n ?6~3~b/q r ?6~3~b/o s ?12~3~b/o5~b/p t ?12~3~b/o u ?12~3~b/p5~b/p w ?6~3~b/p5~b/p
        MSET k old m theirs";
    let none = None::<(&str, &str)>;
    for (name, proposals, answer, reserved) in [
        (
            "its own",
            vec![o(9, &["k"])],
            "committed",
            Some(("k", "?9 3 b/o5 b/o")),
        ),
        (
            "its own that stays as it is",
            vec![unchanged("o", 9, &["k"], "d")],
            "committed",
            none,
        ),
        (
            "free",
            vec![o(9, &["x"])],
            "committed",
            Some(("x", "?9 3 b/o")),
        ),
        (
            "another's",
            vec![o(9, &["x", "m"])],
            "conflict 0 m b/p",
            none,
        ),
        (
            "reserved by another",
            vec![o(9, &["x", "n"])],
            "conflict 0 n b/q",
            none,
        ),
        (
            "reserved before",
            vec![o(9, &["r"])],
            "committed",
            Some(("r", "?9 3 b/o?6 3 b/o")),
        ),
        (
            "reserved later, over another's",
            vec![o(9, &["s"])],
            "conflict 0 s b/p",
            none,
        ),
        (
            "reserved later",
            vec![o(9, &["x", "t"])],
            "overtaken 0 66",
            none,
        ),
        (
            "given up, and reserved later",
            vec![o(9, &["x", "u"]), gone("p", 9)],
            "overtaken 1 66",
            none,
        ),
        (
            "given up",
            vec![o(9, &["m"]), gone("p", 9)],
            "committed",
            Some(("m", "?9 3 b/o5 b/p")),
        ),
        (
            "given up, and reserved before",
            vec![o(9, &["w"]), gone("p", 9)],
            "committed",
            Some(("w", "?9 3 b/o?6 3 b/p5 b/p")),
        ),
        ("a straggler", vec![o(4, &["x"])], "overtaken 0 5", none),
        ("a repetition", vec![o(5, &["x"])], "committed", none),
    ] {
        server.set(state).await;
        let before = server.state().await;
        assert_eq!(server.answer(&reserve(&proposals)).await, answer, "{name}");
        let after = server.state().await;
        match reserved {
            None => assert_eq!(after, before, "{name}"),
            Some((key, owner)) => {
                assert_eq!(after["owners"][key], owner, "{name}");
                for other in ["k", "m", "r"].iter().filter(|other| **other != key) {
                    assert_eq!(after["owners"][other], before["owners"][other], "{name}");
                }
                assert_eq!(
                    (&after["k"], &after["m"]),
                    (&before["k"], &before["m"]),
                    "{name}"
                );
                assert_eq!(
                    server.answer(&unreserve("8")).await,
                    "0",
                    "{name}: another ticket"
                );
                assert_eq!(server.answer(&unreserve("9")).await, "1", "{name}");
                assert_eq!(server.state().await, before, "{name}: given back");
            }
        }
    }
}

/// Kills: keys written that nobody has reserved, what was reserved in vain and stays, a later ticket's
/// that goes, also where the key is written, the value of an owner before that stays or is taken from it.
#[tokio::test]
async fn only_reserved_keys_are_written_and_the_others_are_given_back() {
    let mut server = Server::start().await;
    let apply =
        |proposals: &[Proposal], known: &[&str]| in_slot(&APPLY, proposals, known, &no_staged());
    let state = "HSET part:o ticket 5 k ^k v ^x^y^z
        HSET part:p ticket 5 k ^z
        HSET owners k 5~b/o x ?9~3~b/o?8~3~b/p y ?12~3~b/o?7~3~b/p?7~3~b/o z ?9~3~b/o5~b/p
        MSET k old z theirs";
    server.set(state).await;
    let before = server.state().await;
    let free = apply(&[object("o", 9, texts(&["w"]))], &["k"]);
    assert_eq!(server.answer(&free).await, "stale 0");
    assert_eq!(server.state().await, before);

    let call = apply(&[object("o", 9, texts(&["x"]))], &["k"]);
    assert_eq!(server.answer(&call).await, "committed");
    let after = server.state().await;
    assert_eq!(
        after["owners"],
        json!({"x": "9 b/o", "y": "?12 3 b/o?7 3 b/p", "z": "5 b/p"})
    );
    assert_eq!((&after["x"], &after["z"]), (&json!("v"), &json!("theirs")));
    assert_eq!(after["k"], Value::Null);
    assert_eq!(after["part:o"]["v"], "\0\u{1}y");

    server.set(state).await;
    let early = apply(&[object("o", 9, texts(&["y"]))], &["k"]);
    assert_eq!(server.answer(&early).await, "committed");
    let after = server.state().await;
    assert_eq!(after["y"], "v");
    assert_eq!(
        after["owners"],
        json!({"x": "?8 3 b/p", "y": "?12 3 b/o9 b/o", "z": "5 b/p"})
    );
    assert_eq!(after["part:o"]["v"], "\0\u{1}y");

    server.set(state).await;
    let given_up = apply(&[gone("p", 9)], &["z"]);
    assert_eq!(server.answer(&given_up).await, "committed");
    let after = server.state().await;
    assert_eq!(
        (&after["z"], &after["owners"]["z"]),
        (&Value::Null, &json!("?9 3 b/o"))
    );
}

/// Kills: what has been committed already, and does not keep its keys from an object that is committed with it; what is
/// to stay as it is, and is looked at only when others have been written.
#[tokio::test]
async fn a_joint_commit_is_checked_with_all_that_it_is_of() {
    let mut server = Server::start().await;
    let state = "HSET part:o ticket 9 k ^k
        HSET owners k 9~b/o
        SET k v";
    let o = || object("o", 9, texts(&["k"]));
    let p = |write| object("p", 11, write);
    for (proposals, answer) in [
        (vec![o(), p(texts(&["k"]))], "conflict 1 k b/o"),
        (vec![p(texts(&["k"])), o()], "conflict 1 k b/p"),
        (vec![o(), p(texts(&["l"]))], "committed"),
        (vec![o(), unchanged("p", 11, &["l"], "D")], "changed 1"),
    ] {
        server.set(state).await;
        let call = in_slot(&CHECK, &proposals, &["k"], &no_staged());
        assert_eq!(server.answer(&call).await, answer, "{proposals:?}");
    }
}

/// A request that comes late, where the part of the object was evicted.
#[tokio::test]
async fn what_an_object_has_written_later_is_not_written_over() {
    let mut server = Server::start().await;
    for (owner, answer) in [
        ("C~b/o", "stale 0 12"),
        ("8~b/o", "committed"),
        ("1763868000000000~b/o", "committed"),
    ] {
        server
            .set(&format!("HSET owners k {owner}\nSET k newer"))
            .await;
        let late = in_slot(&APPLY, &[object("o", 9, texts(&["k"]))], &[], &no_staged());
        assert_eq!(server.answer(&late).await, answer, "{owner}");
    }
}

/// Kills: objects of a joint commit that are left half written because a later ticket of another one came between, and
/// a later ticket that is written over.
#[tokio::test]
async fn of_a_joint_commit_only_what_was_overtaken_is_left_out() {
    let mut server = Server::start().await;
    let state = "HSET part:o ticket 5 k ^k v ^m
        HSET part:p ticket 12 k ^p
        HSET part:q ticket 7
        HSET owners k 5~b/o m ?9~3~b/o p C~b/p
        MSET k old p theirs";
    let apply = |proposals: &[Proposal]| in_slot(&APPLY, proposals, &["k", "p"], &no_staged());
    let o = object("o", 9, texts(&["m"]));
    let p = object("p", 11, texts(&["n"]));
    server.set(state).await;
    let call = apply(&[p.clone(), o.clone(), gone("q", 6)]);
    assert_eq!(server.answer(&call).await, "overtaken 0 12 2 7");
    let after = server.state().await;
    assert_eq!(after["owners"], json!({"m": "9 b/o", "p": "C b/p"}));
    assert_eq!(after["part:p"], json!({"ticket": "12", "keys": ["p"]}));
    assert_eq!(after["part:o"], json!({"ticket": "9", "keys": ["m"]}));
    assert_eq!((&after["m"], &after["p"]), (&json!("v"), &json!("theirs")));

    assert_eq!(server.answer(&call).await, "overtaken 0 12 2 7");
    assert_eq!(server.state().await, after);
}

/// Redis has evicted what is recorded in a slot: of that, the record at home as an early worker has read it still knows,
/// but not that a later one has written the key since.
#[tokio::test]
async fn what_an_object_has_written_later_is_not_removed() {
    let mut server = Server::start().await;
    server.set("HSET owners k C~b/o\nSET k newer").await;
    let mut late = gone("o", 9);
    late.ticket.record.keys = Some(vec!["k".to_owned()]);
    let call = in_slot(&APPLY, &[late], &["k"], &no_staged());
    assert_eq!(server.answer(&call).await, "committed");
    let after = server.state().await;
    assert_eq!(
        (&after["k"], &after["owners"]),
        (&json!("newer"), &json!({"k": "C b/o"}))
    );
}

/// Redis has evicted what is recorded in a slot, and who has the keys there: what leads to them is the record at home.
#[tokio::test]
async fn what_a_slot_has_lost_of_an_object_is_known_from_its_record() {
    let mut server = Server::start().await;
    let recorded = |mut proposal: Proposal| {
        proposal.ticket.record.keys = Some(vec!["k".to_owned(), "m".to_owned()]);
        proposal
    };
    for (proposal, kept) in [
        (gone("o", 9), None),
        (object("o", 9, texts(&["x"])), Some("v")),
    ] {
        let state = "HSET owners m 8~b/p
            MSET k old m theirs";
        server.set(state).await;
        let proposal = [recorded(proposal)];
        let call = in_slot(&RESERVE, &proposal, &["k", "m"], &no_staged());
        assert_eq!(server.answer(&call).await, "committed");
        let call = in_slot(&APPLY, &proposal, &["k", "m"], &no_staged());
        assert_eq!(server.answer(&call).await, "committed");
        let after = server.state().await;
        let held = (&after["k"], &after["m"], after["x"].as_str());
        assert_eq!(held, (&Value::Null, &json!("theirs"), kept));
    }
}

/// Somebody unknown has put a value there since a worker has reserved the key that died.
#[tokio::test]
async fn what_a_stranger_has_written_is_not_taken_over_because_it_is_reserved() {
    let mut server = Server::start().await;
    let options = CommitOptions {
        adopt: false,
        ..OPTIONS
    };
    let state = "HSET owners k ?6~3~b/o\nHSET part:o v ^k";
    let proposals = [object("o", 9, texts(&["k"]))];
    for (script, there, answer) in [
        (&CHECK, false, "committed"),
        (&RESERVE, false, "committed"),
        (&APPLY, false, "committed"),
        (&CHECK, true, "conflict 0 k "),
        (&RESERVE, true, "conflict 0 k "),
        // In other slots it may have begun.
        (&APPLY, true, "committed"),
    ] {
        server.set(state).await;
        if there {
            server.redis.command(&["SET", "k", "theirs"]).await.unwrap();
        }
        let call = in_slot_with(script, &proposals, &[], &no_staged(), &options);
        assert_eq!(server.answer(&call).await, answer, "{there}");
    }
}

/// What it gives back was there before, so that it makes no room; what it removes does.
#[tokio::test]
async fn a_full_redis_takes_what_gives_back() {
    let mut server = Server::start().await;
    let state = "HSET part:o ticket 5 k ^k v ^m
        HSET owners k 5~b/o m ?9~3~b/o5~b/p
        MSET k v m theirs";
    let orphans = Call::new(&REMOVE_ORPHANS)
        .key("owners")
        .key("part:o")
        .arguments(["100", ""])
        .key("m")
        .key("k")
        .arguments(["?9 3 b/o", "5 b/o"]);
    let finish = Call::new(&FINISH)
        .key("record")
        .key("index")
        .arguments(["9", "o", "0", "100", "[]", "", "1"]);
    for (call, answer, key, left) in [
        (
            &unreserve("9"),
            "1",
            "owners",
            json!({"k": "5 b/o", "m": "5 b/p"}),
        ),
        (&orphans, "1", "owners", json!({"m": "5 b/p"})),
        (&finish, "committed", "index", Value::Null),
    ] {
        server.set(state).await;
        server
            .set_more("HSET record issued 9 announced 9\nZADD index 0 o\nCONFIG SET maxmemory 1")
            .await;
        let said = call.invoke::<redis::Value>(&mut server.connection).await;
        server
            .redis
            .command(&["CONFIG", "SET", "maxmemory", "0"])
            .await
            .unwrap();
        assert_eq!(line(&said.unwrap()), answer);
        assert_eq!(server.state().await[key], left);
    }
}
