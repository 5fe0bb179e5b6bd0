//! A clock that is off, for one process: libfaketime stands between it and the system's.

use std::path::PathBuf;

/// Where libraries lie, those of an architecture in a folder of their own.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// What a process has to be started with so that its clock is `seconds` ahead. Timers are left alone.
///
/// # Panics
/// Where libfaketime is not installed.
pub(crate) fn variables(seconds: i64) -> [(&'static str, String); 3] {
    let library =
        library().expect("libfaketime is needed for this test: apt-get install libfaketime");
    [
        ("LD_PRELOAD", library.to_str().expect("UTF-8").to_owned()),
        ("FAKETIME", format!("{seconds:+}s")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir(LIBRARIES).into_iter().flatten().flatten();
    let mut places = folders.map(|folder| folder.path().join(LIBRARY));
    places.find(|place| place.exists())
}
