//! What each server of OpenAI's dialect is sent for one request that says everything, beside a file.
//! To take changes over: `KEYWAY_FIXTURES=write cargo test -p keyway-providers`.

use std::fs;
use std::path::Path;

use keyway_providers::chat::ChatRequest;
use keyway_providers::dialect::{Dialect, Target};
use keyway_providers::json;
use keyway_providers::openai::Quirks;
use serde_json::{Value, json};

use super::golden::compare;

const TARGET: Target<'static> = Target { model: "their/model", completion_tokens_max: 10_000 };

#[test]
fn every_server_is_sent_what_it_takes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quirks");
    let body = fs::read(folder.join("everything.json")).expect("the request");
    let request = ChatRequest::parse(json::parse(&body).expect("JSON")).expect("a request");
    for name in Quirks::NAMES {
        let dialect = Dialect::OpenAi(Quirks::named(name).expect("a row"));
        let sent = dialect.body(&request, &TARGET).expect("a body");
        let sent: Value = serde_json::from_slice(&sent).expect("JSON");
        let sent = json!({"path": dialect.path(&request, &TARGET), "body": sent});
        compare(&folder.join(format!("{}.json", name.replace('.', "-"))), &format!("{sent:#}\n"));
    }
}

#[test]
fn nobody_who_has_not_asked_for_thoughts_is_asked_to_think() {
    let body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
    let request = ChatRequest::parse(body).expect("a request");
    for name in Quirks::NAMES {
        let dialect = Dialect::OpenAi(Quirks::named(name).expect("a row"));
        let sent = dialect.body(&request, &TARGET).expect("a body");
        let expected = r#"{"model":"their/model","messages":[{"role":"user","content":"hi"}]}"#;
        assert_eq!(String::from_utf8_lossy(&sent), expected, "{name}");
    }
}

#[test]
fn every_server_is_told_how_long_an_answer_may_be_once_and_in_a_field_that_it_knows() {
    let body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
    let mut request = ChatRequest::parse(body).expect("a request");
    request.max_tokens = Some(7);
    for name in Quirks::NAMES {
        let dialect = Dialect::OpenAi(Quirks::named(name).expect("a row"));
        let sent = dialect.body(&request, &TARGET).expect("a body");
        let sent: Value = serde_json::from_slice(&sent).expect("JSON");
        let theirs = ["openai", "azure", "azure-deployments", "groq", "xai", "cerebras"];
        let field = if theirs.contains(name) { "max_completion_tokens" } else { "max_tokens" };
        let said: Vec<_> = sent.as_object().expect("an object").iter().collect();
        let bounds: Vec<_> = said.into_iter().filter(|(it, _)| it.contains("max_")).collect();
        assert_eq!(bounds, [(&field.to_owned(), &json!(7))], "{name}");
    }
}
