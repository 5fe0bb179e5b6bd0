//! `keyway config`

use super::{end, keyway};

const VALID: &str = r#"
[[providers]]
slug = "acme"
dialect = "openai"
base_url = "http://127.0.0.1:9001/v1"
api_key = "sk-planted"

[[models]]
id = "acme/fast"
context_length = 128000
endpoints = [{ provider = "acme", upstream_model = "m", pricing = { prompt = "0", completion = "0" } }]
"#;

#[test]
fn a_valid_configuration_is_counted_and_its_warnings_are_told() {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("keyway.toml"), VALID).expect("written");
    let mut command = keyway(&["config", "check"]);
    command.current_dir(folder.path());
    let ended = end(command);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), "keyway.toml: ok, 1 provider, 1 model\n")
    );
    assert!(
        ended.err.starts_with("warning: keyway.toml:6:11: providers[0].api_key: "),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("sk-planted"), "{}", ended.err);
}

#[test]
fn every_mistake_is_a_line_that_editors_find() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("other.toml");
    let text =
        VALID.replace("openai", "opnai").replace("128000", "\"128000\"").replace("slug", "slgu");
    std::fs::write(&path, text).expect("written");
    let mut command = keyway(&["config", "check"]);
    command.env("KEYWAY_CONFIG", &path);
    let ended = end(command);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    let path = path.display();
    let lines: Vec<_> = ended.err.lines().collect();
    let starts = [
        format!("{path}:2:1: providers[0].slug: is missing"),
        format!(
            "{path}:3:1: providers[0].slgu: is not a field of this section; did you mean \"slug\"?"
        ),
        format!("{path}:4:11: providers[0].dialect: "),
        format!("{path}:10:18: models[0].context_length: is a string"),
        format!("{path}:11:27: models[0].endpoints[0].provider: "),
        format!("error: {path} is refused: 5 mistakes"),
    ];
    assert_eq!(lines.len(), starts.len(), "{}", ended.err);
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(&start), "{line}\n{start}");
    }
}

#[test]
fn the_schema_is_printed() {
    let ended = end(keyway(&["config", "schema"]));
    let committed = include_str!("../../../keyway-server/config.schema.json");
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), committed, ""));
}

#[test]
fn the_version_is_that_of_the_package() {
    let ended = end(keyway(&["--version"]));
    assert_eq!(ended.out, format!("keyway {}\n", env!("CARGO_PKG_VERSION")));
}
