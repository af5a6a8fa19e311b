//! What the SDK makes of the interface, and how little that is.

use redis_sync_tests::guest;
use wit_component::{StringEncoding, metadata};
use wit_parser::Resolve;

const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk/wit");

/// The SDK puts these bytes into every plugin. Where the WIT file has changed, copy those that the test
/// leaves, and see that the SDK still lays everything out as they say.
#[test]
fn what_the_sdk_puts_into_plugins_is_the_wit_file() {
    let mut interface = Resolve::default();
    let (package, _) = interface.push_dir(WIT).unwrap();
    let world = interface.select_world(&[package], None).unwrap();
    let encoded = metadata::encode(&interface, world, StringEncoding::UTF8, None).unwrap();
    let left = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("transformer.component-type");
    std::fs::write(&left, &encoded).unwrap();
    let kept = std::fs::read(format!("{WIT}/transformer.component-type")).unwrap();
    assert!(
        without_producers(&kept) == without_producers(&encoded),
        "it should be {}",
        left.display()
    );
}

/// What was encoded, less the versions of what encoded it.
fn without_producers(encoded: &[u8]) -> &[u8] {
    let name = b"producers";
    let at = encoded
        .windows(name.len())
        .position(|window| window == name);
    // Before the name are the section's kind and two lengths.
    &encoded[..at.unwrap() - 3]
}

/// The size is what an author's first plugin has, and most of how long it takes to compile.
#[test]
fn the_guides_plugin_has_less_than_80_kb() {
    let guide = include_str!("../../guest-sdk/README.md");
    let source = include_str!("../guests/guide/src/lib.rs");
    let tokens = |text: &str| text.split_whitespace().collect::<String>();
    let from_here = source.find("#[derive").unwrap();
    assert!(tokens(guide).contains(&tokens(&source[from_here..])));
    let bytes = guest::module("guide").len();
    assert!(bytes < 80_000, "it has {bytes} bytes");
}
