//! What goes on while a gateway is recorded: answers, whole and streamed, and work on keys.

use keyway_core::id::{GenerationId, KeyHash};
use keyway_core::money::Nanos;
use keyway_testkit::{Client, Gateway, Random, Recorder, Streamed};
use serde_json::{Value, json};

use super::told::Told;

const MODEL: &str = "keyway/echo";
const ASKING: u64 = 8;
const MANAGING: u64 = 2;
/// Lives of keys that each of the managing goes through.
const LIVES: u64 = 8;
const CHANGES: u64 = 6;

/// Asks for `answers`, and works on keys meanwhile.
pub(super) async fn run(gateway: &Gateway, recorder: &Recorder, answers: u64, seed: u64) {
    let asking = (0..ASKING).map(|number| async move {
        ask(gateway, recorder, answers / ASKING, Random::new(seed).fork(number)).await;
    });
    let managing = (0..MANAGING).map(|number| manage(gateway, recorder, number));
    tokio::join!(futures_util::future::join_all(asking), futures_util::future::join_all(managing));
}

async fn ask(gateway: &Gateway, recorder: &Recorder, answers: u64, mut random: Random) {
    let body = json!({"name": "0", "limit": 1_000, "limit_reset": "daily"});
    let (object, string) = gateway.manager().create_key(&body).await;
    recorder.note(&Told::Key(hash(&object), 0).to_string());
    let client = gateway.client(&string);
    for _ in 0..answers {
        let content = "x".repeat(random.index(400) + 1);
        if random.once_in(2) {
            let reply = client.chat(MODEL, &content).await;
            charged(recorder, id(&reply.headers), &reply.json()["usage"]);
        } else if let Some(streamed) = client.chat_stream(MODEL, &content).await {
            stream(recorder, streamed, &mut random).await;
        }
    }
}

async fn stream(recorder: &Recorder, mut streamed: Streamed, random: &mut Random) {
    let id = id(&streamed.headers);
    if streamed.next().await.is_none() {
        return;
    }
    recorder.note(&Told::Begun(id).to_string());
    // Some leave with what they have.
    if random.once_in(8) {
        return;
    }
    let events = streamed.rest().await;
    let chunks = events.iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
    for chunk in chunks.filter(|chunk| chunk["usage"].is_object()) {
        charged(recorder, id, &chunk["usage"]);
    }
}

fn charged(recorder: &Recorder, id: GenerationId, usage: &Value) {
    let cost = Nanos::parse_limit(&usage["cost"].to_string()).expect("an amount");
    recorder.note(&Told::Charged(id, cost.get()).to_string());
}

fn id(headers: &http::HeaderMap) -> GenerationId {
    let id = headers.get("x-generation-id").expect("an answer has an id");
    id.to_str().expect("text").parse().expect("an id")
}

/// Makes keys, changes them, gives them new secrets, and deletes every other one.
async fn manage(gateway: &Gateway, recorder: &Recorder, number: u64) {
    let manager = gateway.manager();
    for life in 0..LIVES {
        let (object, _) = manager.create_key(&json!({"name": "0", "limit": number})).await;
        let key = hash(&object);
        recorder.note(&Told::Key(key, 0).to_string());
        for revision in 1..=CHANGES {
            change(&manager, recorder, key, revision).await;
        }
        let path = format!("/api/v1/keys/{key}");
        if life % 2 == 0 {
            recorder.note(&Told::Leaving(key).to_string());
            assert!(manager.delete(&path).await.status.is_success());
            recorder.note(&Told::Deleted(key).to_string());
        }
    }
}

async fn change(manager: &Client, recorder: &Recorder, key: KeyHash, revision: u64) {
    let body = json!({"name": revision.to_string(), "disabled": revision % 2 == 1});
    let reply = manager.patch(&format!("/api/v1/keys/{key}"), &body).await;
    assert!(reply.status.is_success(), "{reply:?}");
    recorder.note(&Told::Key(key, revision).to_string());
}

fn hash(object: &Value) -> KeyHash {
    object["hash"].as_str().expect("a hash").parse().expect("a hash")
}
