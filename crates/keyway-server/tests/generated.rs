//! Generated files are committed, and have to be what the code says now.
//!
//! `KEYWAY_UPDATE=1 cargo test -p keyway-server` writes them anew.

use std::path::Path;

use keyway_server::http::router::description;

#[test]
fn the_openapi_description_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = description();
    if std::env::var_os("KEYWAY_UPDATE").is_some() {
        std::fs::write(&path, &now).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "openapi.json is out of date: KEYWAY_UPDATE=1 cargo test -p keyway-server"
    );
}

#[test]
fn every_operation_says_who_may_call_it_and_how_it_fails() {
    let description: serde_json::Value = serde_json::from_str(&description()).expect("JSON");
    for (path, operations) in description["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let at = format!("{method} {path}");
            assert!(operation["operationId"].is_string(), "{at} has no id");
            assert!(operation["summary"].is_string(), "{at} has no summary");
            let responses = operation["responses"].as_object().expect("responses");
            let needs_key = operation.get("security").is_some();
            assert_eq!(
                responses.contains_key("401"),
                needs_key,
                "{at}: 401 and security go together"
            );
        }
    }
}
