//! The scripts of a cluster where an object's record is at home: announce and finish.

use super::*;
use crate::ledger::call::{ANNOUNCE, FINISH};

fn announcement(ticket: &str, unchanged: &str, slots: &str) -> Call {
    Call::new(&ANNOUNCE)
        .key("record")
        .key("index")
        .arguments([ticket, "o", unchanged, "D", slots, ""])
}

/// Kills: announced without a look at what committed, was issued or is announced; slots forgotten.
#[tokio::test]
async fn an_announcement_names_every_slot_and_keeps_earlier_tickets_out() {
    let mut server = Server::start().await;
    let record = |announced: &str, slots: &str| {
        json!({
            "record": {"issued": "9", "ticket": "5", "announced": announced, "slots": slots},
            "index": ["o"],
        })
    };
    let state = "HSET record issued 9 ticket 5 announced 5 s D slots [1,2]";
    let broken_off = "HSET record issued 9 ticket 5 announced 7 s D slots [1,2]";
    let finished = "HSET record issued 9 ticket 9 slots [2]
        EXPIRE record 100";
    for (name, state, call, answer, after) in [
        (
            "new",
            state,
            announcement("9", "0", "[2,3]"),
            "announced 1 2 3",
            Some(record("9", "[1,2,3]")),
        ),
        (
            "unchanged",
            state,
            announcement("9", "1", "[1,2]"),
            "announced 1 2",
            Some(record("9", "[1,2]")),
        ),
        (
            "unchanged after one that was broken off",
            broken_off,
            announcement("9", "1", "[]"),
            "changed",
            None,
        ),
        (
            "anew after one that was broken off",
            broken_off,
            announcement("9", "0", "[]"),
            "announced 1 2",
            Some(record("9", "[1,2]")),
        ),
        (
            "before a later one",
            broken_off,
            announcement("6", "0", "[]"),
            "stale",
            None,
        ),
        (
            "after a later commit",
            state,
            announcement("4", "0", "[]"),
            "superseded",
            None,
        ),
        (
            "not issued",
            state,
            announcement("10", "0", "[]"),
            "stale",
            None,
        ),
        (
            "repeated when it has finished",
            finished,
            announcement("9", "0", "[2]"),
            "announced 2",
            None,
        ),
    ] {
        server.set(state).await;
        let before = server.state().await;
        assert_eq!(server.answer(&call).await, answer, "{name}");
        assert_eq!(server.state().await, after.unwrap_or(before), "{name}");
    }
}

/// Kills: slots answered as the results of one Lua call, of which there may be 8000.
#[tokio::test]
async fn an_announcement_names_all_slots_of_a_cluster() {
    let mut server = Server::start().await;
    let all: Vec<u16> = (0..16_384).collect();
    server.set("HSET record issued 9").await;
    let answer = server
        .answer(&announcement("9", "0", &json!(all).to_string()))
        .await;
    assert_eq!(answer.split(' ').count(), 1 + 16_384);
}

/// Kills: a finish that overwrites a later one or takes that for its own, forgets slots of an announced one, leaves the index as
/// it was, or commits a ticket larger than any that was issued.
#[tokio::test]
async fn a_finish_records_what_was_announced_unless_a_later_one_has() {
    let mut server = Server::start().await;
    let call = |ticket: &str, live: &str| {
        Call::new(&FINISH).key("record").key("index").arguments([
            ticket, "o", live, "100", "[3]", "", "1", "s", "D", "k", "\0\u{1}k",
        ])
    };
    let announced = "HSET record issued 9 ticket 5 announced 9 slots [1,3] error e error_at 1
        ZADD index 0 o";
    let record = |slots: &str| json!({"ticket": "9", "slots": slots, "keys": ["k"]});
    for (name, ticket, live, after) in [
        ("never issued", "12", "1", None),
        (
            "done",
            "9",
            "1",
            Some(json!({"record": record("[3]"), "index": ["o"]})),
        ),
        ("gone", "9", "0", Some(json!({"record?": record("[3]")}))),
        ("repeated", "5", "1", None),
        ("a later one has finished", "4", "1", None),
        (
            "a later one is announced",
            "7",
            "1",
            Some(json!({
                "record": {"issued": "9", "ticket": "7", "announced": "9", "slots": "[1,3]", "keys": ["k"]},
                "index": ["o"],
            })),
        ),
    ] {
        server.set(announced).await;
        let before = server.state().await;
        let is_stale = ["4", "12"].contains(&ticket);
        let answer = if is_stale { "stale" } else { "committed" };
        assert_eq!(server.answer(&call(ticket, live)).await, answer, "{name}");
        assert_eq!(server.state().await, after.unwrap_or(before), "{name}");
    }
}
