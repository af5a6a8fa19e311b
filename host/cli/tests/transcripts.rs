//! What is typed and what is answered: the transcripts in `transcripts/` are played, and are the
//! documentation of the commands. `TRYCMD=overwrite` writes what is answered now.

use redis_sync_tests::guest;
use std::path::Path;

/// A program that imports what is not offered.
const FOREIGN: &str = r#"(module (import "env" "launch" (func)) (memory (export "memory") 1) (func (export "_start")))"#;

/// Puts modules into the folder in which a transcript is played.
fn modules(transcript: &str, modules: &[(&str, Vec<u8>)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let folder = folder.join(format!("{transcript}.in"));
    for (name, module) in modules {
        let file = folder.join(name);
        let parent = file.parent().unwrap_or(&folder);
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&file, module));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn the_transcripts_are_what_is_answered() {
    let supplier = guest::module("supplier-permissions");
    let command = guest::module("command");
    let foreign = wat::parse_str(FOREIGN).expect("WebAssembly as text");
    modules(
        "check",
        &[
            ("supplier_permissions.wasm", supplier),
            ("command.wasm", command.clone()),
            ("foreign.wasm", foreign),
            ("text.wasm", b"hello\n".to_vec()),
        ],
    );
    let scripted = |name| (name, guest::scripted());
    modules(
        "run",
        &[scripted("scripted.wasm"), ("command.wasm", command)],
    );
    modules("compile", &[scripted("scripted.wasm")]);
    modules("test", &[scripted("scripted.wasm")]);
    modules("dev", &[scripted("bucket/plugins/flags.wasm")]);
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .case("tests/transcripts/*.trycmd");
}
