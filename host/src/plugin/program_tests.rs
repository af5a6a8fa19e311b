//! What programs find behind the functions of WASI preview 1: they run on them as they are.

use super::tests::{compile, module, run, sandbox};
use crate::entry::Value;
use crate::sandbox::Failure;

/// A program that calls `body` and writes the 64 bytes at 1024 to stdout.
fn program(body: &str) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\04\00\00\40\00\00\00")
  (func $told (param i32 i32) (i32.store (i32.add (i32.const 1024) (local.get 0)) (local.get 1)))
  (func (export "_start")
    {body}
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#
    )
}

fn outcome(body: &str) -> Result<Vec<u8>, Failure> {
    let sandbox = sandbox();
    let plugin = compile(&sandbox, &module(&program(body)));
    let yielded = run(&plugin, "o").result?;
    match yielded.entries.into_iter().next().map(|entry| entry.value) {
        Some(Value::Bytes(bytes)) => Ok(bytes),
        other => panic!("{other:?}"),
    }
}

fn words(body: &str) -> Vec<u32> {
    let bytes = outcome(body).unwrap();
    let words = bytes.chunks_exact(4);
    words
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

/// Nothing is waited for: the clock is moved on, and a stream is ready before any clock.
#[test]
fn a_sleep_moves_the_clock_and_is_over_and_streams_are_ready_at_once() {
    // At 128, for an hour of the monotonic clock; at 176, for stdin.
    let subscriptions =
        "(i64.store (i32.const 128) (i64.const 77)) (i32.store (i32.const 144) (i32.const 1))
      (i64.store (i32.const 152) (i64.const 3600000000000))
      (i64.store (i32.const 176) (i64.const 88)) (i32.store8 (i32.const 184) (i32.const 1))";
    let slept = words(&format!(
        "{subscriptions}
        (call $told (i32.const 0) (call $poll (i32.const 128) (i32.const 512) (i32.const 1) (i32.const 600)))
        (call $told (i32.const 4) (i32.load (i32.const 600)))
        (call $told (i32.const 8) (i32.load (i32.const 512)))
        (call $told (i32.const 12) (call $clock (i32.const 1) (i64.const 1) (i32.const 704)))
        (call $told (i32.const 16) (i32.wrap_i64 (i64.div_u (i64.load (i32.const 704)) (i64.const 1000000000))))"
    ));
    assert_eq!(slept[..5], [0, 1, 77, 0, 3600]);
    let both = words(&format!(
        "{subscriptions}
        (call $told (i32.const 0) (call $poll (i32.const 128) (i32.const 512) (i32.const 2) (i32.const 600)))
        (call $told (i32.const 4) (i32.load (i32.const 600)))
        (call $told (i32.const 8) (i32.load (i32.const 512)))
        (call $told (i32.const 12) (call $clock (i32.const 1) (i64.const 1) (i32.const 704)))
        (call $told (i32.const 16) (i32.load (i32.const 704)))"
    ));
    assert_eq!(both[..5], [0, 1, 88, 0, 1000]);
}

#[test]
fn what_lies_outside_its_memory_is_a_fault_and_nothing_to_wait_for_is_invalid() {
    let faults = words(
        "(call $told (i32.const 0) (call $poll (i32.const 65500) (i32.const 512) (i32.const 1) (i32.const 600)))
        (call $told (i32.const 4) (call $poll (i32.const 128) (i32.const 65520) (i32.const 1) (i32.const 600)))
        (call $told (i32.const 8) (call $poll (i32.const 128) (i32.const 512) (i32.const 1) (i32.const 65533)))
        (call $told (i32.const 12) (call $poll (i32.const 128) (i32.const 512) (i32.const -1) (i32.const 600)))
        (call $told (i32.const 16) (call $random (i32.const 65530) (i32.const 16)))
        (call $told (i32.const 20) (call $poll (i32.const 128) (i32.const 512) (i32.const 0) (i32.const 600)))",
    );
    assert_eq!(faults[..6], [21, 21, 21, 21, 21, 28]);
}

/// An event for each, and as many as are gone through without fuel; streams are at 65536, zeros but for their kind.
#[test]
fn each_of_many_streams_has_its_event_and_more_of_them_are_invalid() {
    let told = words(
        "(local i32) (drop (memory.grow (i32.const 32)))
        (loop
          (i32.store8 offset=65544 (i32.mul (local.get 0) (i32.const 48)) (i32.const 1))
          (i32.store offset=65536 (i32.mul (local.get 0) (i32.const 48)) (local.get 0))
          (br_if 0 (i32.le_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 10000))))
        (call $told (i32.const 0) (call $poll (i32.const 65536) (i32.const 786432) (i32.const 10000) (i32.const 600)))
        (call $told (i32.const 4) (i32.load (i32.const 600)))
        (call $told (i32.const 8) (i32.load (i32.add (i32.const 786432) (i32.mul (i32.const 9999) (i32.const 32)))))
        (call $told (i32.const 12) (call $poll (i32.const 65536) (i32.const 786432) (i32.const 10001) (i32.const 600)))",
    );
    assert_eq!(told[..4], [0, 10_000, 9999, 28]);
}

#[test]
fn a_subscription_may_end_with_the_memory_and_one_of_no_kind_is_invalid() {
    let told = words(
        "(call $told (i32.const 0) (call $poll (i32.const 65488) (i32.const 512) (i32.const 1) (i32.const 600)))
        (i32.store8 (i32.const 65496) (i32.const 3))
        (call $told (i32.const 4) (call $poll (i32.const 65488) (i32.const 512) (i32.const 1) (i32.const 600)))",
    );
    assert_eq!(told[..2], [0, 28]);
}

#[test]
fn no_directory_no_file_and_no_socket_is_there() {
    let denied = words(
        "(call $told (i32.const 0) (call $prestat (i32.const 3) (i32.const 512)))
        (call $told (i32.const 4) (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1)
          (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 512)))
        (call $told (i32.const 8) (call $accept (i32.const 3) (i32.const 0) (i32.const 512)))",
    );
    assert_eq!(denied[..2], [8, 8]);
    assert_ne!(denied[2], 0);
}

#[test]
fn random_numbers_are_bounded_as_for_any_plugin_and_are_the_same_each_time() {
    let bytes = "(drop (call $random (i32.const 1024) (i32.const 64)))";
    assert_eq!(outcome(bytes).unwrap(), outcome(bytes).unwrap());
    assert_ne!(outcome(bytes).unwrap(), vec![0; 64]);
    let many = |bytes: &str| {
        let drawn = format!("(call $random (i32.const 65536) (i32.const {bytes}))");
        outcome(&format!(
            "(drop (memory.grow (i32.const 16))) (call $told (i32.const 0) {drawn})"
        ))
    };
    assert_eq!(many("0x100000").unwrap(), vec![0; 64]);
    assert_eq!(many("0x100001"), Err(Failure::TooRandom));
}

#[test]
fn any_status_but_0_is_a_failure() {
    assert!(outcome("(call $exit (i32.const 0))").is_ok());
    for status in [1, 125, 126, -1] {
        let ended = outcome(&format!("(call $exit (i32.const {status}))"));
        let Err(Failure::Returned(said)) = ended else {
            panic!("{ended:?}");
        };
        assert!(
            said.starts_with("exited with a status other than 0"),
            "{said}"
        );
    }
}

#[test]
fn what_has_no_start_of_the_right_form_or_imports_more_is_refused() {
    let refused = |text: &str| {
        let prepared = super::component::prepare(&wat::parse_str(text).unwrap())
            .unwrap()
            .into_owned();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), crate::sandbox::compile(&prepared).unwrap()).unwrap();
        sandbox().map(file.path()).err().unwrap().to_string()
    };
    assert!(
        refused(r#"(module (func (export "_start") (param i32)))"#).contains("exports neither")
    );
    let import = refused(r#"(module (import "env" "launch" (func)) (func (export "_start")))"#);
    assert!(import.contains("`env::launch`"), "{import}");
}
