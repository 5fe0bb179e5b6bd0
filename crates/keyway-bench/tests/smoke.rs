//! The bench itself works: seconds of it, whose figures mean nothing.

#![expect(clippy::print_stdout, reason = "a test that skips says so")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The gateway lies beside the bench where the whole workspace was built.
fn gateway() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_BIN_EXE_keyway-bench")).with_file_name("keyway");
    let is_there = beside.exists();
    if !is_there {
        println!("skipped: {} was not built", beside.display());
    }
    is_there.then_some(beside)
}

fn bench(arguments: &[&str], json: &Path) -> (String, Value) {
    let ran = Command::new(env!("CARGO_BIN_EXE_keyway-bench"))
        .args(arguments)
        .arg("--json")
        .arg(json)
        .output()
        .expect("the bench runs");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let figures = std::fs::read(json).expect("the figures");
    let table = String::from_utf8(ran.stdout).expect("text");
    (table, serde_json::from_slice(&figures).expect("JSON"))
}

#[test]
fn a_gateway_is_compared_with_its_provider() {
    let Some(gateway) = gateway() else { return };
    let place = tempfile::tempdir().expect("a directory");
    let gateway = gateway.to_str().expect("text");
    let arguments = [
        "compare",
        "--rounds",
        "1",
        "--seconds",
        "0.2",
        "--only",
        "direct,process",
        "--binary",
        gateway,
    ];
    let (table, figures) = bench(&arguments, &place.path().join("figures.json"));
    assert!(table.contains("keyway, process") && table.contains("demanded"), "{table}");
    let measured = figures["measured"].as_array().expect("figures");
    assert_eq!(measured.len(), 14, "seven loads on two subjects");
    for it in measured {
        assert_eq!(it["failed"], 0, "{it}");
        assert!(it["answered"].as_u64() > Some(0), "{it}");
        assert!(it["p50_ms"].as_f64() > Some(0.001), "{it}");
    }
}
