//! Directions inside the crate, which Cargo cannot see, and the sizes of its rooms.

use std::path::{Path, PathBuf};

/// Lines of code that a file may have before its tests.
const FILE_LINES_MAX: usize = 370;

fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a file");
            files.push((path, text));
        }
    }
    files
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn forbid(directory: &str, words: &[&str]) {
    for (path, text) in sources(&crates().join(directory)) {
        // The contract suite is expanded in the stores' own tests, which have a runtime; the simulation
        // is a test itself.
        if path
            .components()
            .any(|part| ["contract", "simulation"].map(Some).contains(&part.as_os_str().to_str()))
        {
            continue;
        }
        for word in words {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn the_control_plane_and_the_data_plane_do_not_know_each_other() {
    forbid("keyway-server/src/api", &["crate::relay"]);
    forbid("keyway-server/src/relay", &["crate::api"]);
}

#[test]
fn the_core_does_no_io() {
    let io = ["std::fs", "std::net", "tokio::", "std::process", "std::env", "std::thread"];
    forbid("keyway-core/src", &io);
    forbid("keyway-providers/src", &io);
}

#[test]
fn no_store_is_named_but_in_the_binary() {
    forbid("keyway-server/src", &["keyway_store", "rusqlite"]);
    forbid("keyway-core/src", &["rusqlite"]);
}

#[test]
fn money_is_never_a_float() {
    for (path, text) in sources(&crates()) {
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        // In a description of the API a number is a double; in code it never is.
        let code = production.lines().filter(|line| {
            let line = line.trim_start();
            !line.starts_with("//")
                && !line.contains("value_type")
                && !line.contains("limit: Option<f64>")
        });
        // Figures of a bench are no money either, nor are the seconds that Prometheus reads.
        let apart = ["tests", "keyway-bench", "telemetry"].map(Some);
        let is_test = path.components().any(|part| apart.contains(&part.as_os_str().to_str()));
        // The parts of a vector are floats, and no money.
        let is_exempt = is_test || path.file_name().is_some_and(|name| name == "vectors.rs");
        for line in code {
            let float = line.contains("f64") || line.contains("f32");
            assert!(is_exempt || !float, "{}: {line}", path.display());
        }
    }
}

#[test]
fn files_fit_a_few_screens() {
    for (path, text) in sources(&crates()) {
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        let is_test = path.components().any(|part| part.as_os_str() == "tests")
            || path.file_name().is_some_and(|name| name == "tests.rs");
        assert!(is_test || lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
    }
}
