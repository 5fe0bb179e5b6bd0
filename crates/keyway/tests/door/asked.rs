//! A stream is marked while its provider is asked, and not before.

use http::Method;
use keyway_testkit::{Gate, Gateway, Provider, Script, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::money::CHAT;
use crate::setup;

/// A provider that is asked one thing at a time.
fn config(provider: &Provider) -> String {
    let base_url = &provider.base_url;
    format!(
        "[[providers]]\nslug = \"p\"\nname = \"P\"\ndialect = \"openai\"\nbase_url = \"{base_url}\"\n\
         requests_max = 1\n\
         [[models]]\nid = \"acme/slow\"\ncontext_length = 8000\nmax_completion_tokens = 100\n\
         [[models.endpoints]]\nprovider = \"p\"\nupstream_model = \"m\"\n\
         pricing = {{ prompt = \"0\", completion = \"0.000002\" }}\n"
    )
}

/// The keys of the streams that are marked, and what each may come to.
fn marks(gateway: &Gateway) -> Vec<(String, i64)> {
    let store = rusqlite::Connection::open(gateway.data_dir().join("keyway.db")).expect("a store");
    let sql = "SELECT k.name, g.authorised_nanos FROM generation AS g JOIN api_key AS k ON k.id = g.key_id
               WHERE g.charge_nanos IS NULL";
    let mut statement = store.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<Result<_, _>>().expect("readable")
}

#[tokio::test]
async fn what_a_provider_was_asked_is_charged_after_a_kill_and_nothing_else() {
    let provider = Provider::start().await;
    let gate = Gate::shut();
    provider.then(Script::Gated { first: String::new(), gate, rest: String::new() });
    let gateway = setup().config(&config(&provider)).start().await;
    let manager = gateway.manager();
    let body = json!({"model": "acme/slow", "stream": true, "max_tokens": 50,
        "messages": [{"role": "user", "content": "hi"}]});
    let mut hashes = Vec::new();
    let mut asking = JoinSet::new();
    for name in ["asked", "waits"] {
        let (key, string) = manager.create_key(&json!({"name": name, "limit": 1})).await;
        hashes.push(key["hash"].as_str().expect("a hash").to_owned());
        let (client, body) = (gateway.client(&string), body.to_string());
        asking.spawn(async move { client.open(Method::POST, CHAT, body).await });
        let accepted = hashes.len();
        eventually("it is accepted", async || {
            let log = gateway.log();
            (log.matches("a request was accepted").count() == accepted).then_some(())
        })
        .await;
        eventually("one is marked", async || (!marks(&gateway).is_empty()).then_some(())).await;
    }
    // Whatever was to be written before this was.
    let (_, string) = manager.create_key(&json!({"name": "other"})).await;
    assert!(gateway.client(&string).chat("keyway/echo", "hi").await.status.is_success());
    assert_eq!(marks(&gateway), [("asked".to_owned(), 100_000)]);

    let gateway = gateway.kill().await.start().await;
    for (hash, usage) in hashes.iter().zip(["0.0001", "0"]) {
        let key: Value = gateway.manager().key(hash).await;
        assert_eq!(key["usage"].to_string(), usage, "{key}");
    }
}
