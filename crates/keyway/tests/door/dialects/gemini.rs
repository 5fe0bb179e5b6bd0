//! What only Gemini says.

use bytes::Bytes;
use keyway_testkit::{Provider, Script};
use serde_json::{Value, json};

use super::{Speaker, chunks, gateway, key, pieces};

pub(super) const SPEAKER: Speaker = Speaker {
    dialect: "gemini",
    paths: [
        "/v1/models/their%2Fmodel%3A1:generateContent",
        "/v1/models/their%2Fmodel%3A1:streamGenerateContent",
    ],
    credential: ("x-goog-api-key", "SECRET"),
    whole,
    stream,
    error,
    malformed: b"data: {\"candidates\": [\n\n",
    kind: "text/event-stream",
};

fn response(text: &str, finish: Option<&str>, completion: u64) -> Value {
    let mut candidate =
        json!({"content": {"role": "model", "parts": [{"text": text}]}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    json!({"candidates": [candidate], "usageMetadata": {
        "promptTokenCount": 10, "cachedContentTokenCount": 3, "candidatesTokenCount": completion - 1,
        "thoughtsTokenCount": 1, "totalTokenCount": 10 + completion,
    }})
}

fn whole(text: &str) -> Value {
    response(text, Some("STOP"), 4)
}

fn stream(texts: &[&str]) -> Vec<Bytes> {
    let said = texts.iter().zip(1..).map(|(text, count)| response(text, None, count));
    said.chain([response("", Some("STOP"), 4)])
        .map(|it| format!("data: {it}\r\n\r\n").into())
        .collect()
}

fn error(message: &str) -> Value {
    json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}})
}

#[tokio::test]
async fn a_call_and_its_answer_go_there_and_back() {
    let provider = Provider::start().await;
    let mut called = response("", Some("STOP"), 4);
    let call = json!({"functionCall": {"name": "clock", "args": {}}, "thoughtSignature": "c2ln"});
    called["candidates"][0]["content"]["parts"] = json!([call]);
    called["responseId"] = "r".into();
    provider
        .then(pieces(&SPEAKER, vec![format!("data: {called}\n\n").into()]))
        .then(Script::json(200, &whole("noon")));
    let gateway = gateway(&SPEAKER, &provider).await;
    let (_, string) = key(&gateway).await;
    let chunks = chunks(&gateway, &string).await;
    let delta = &chunks[0]["choices"][0]["delta"];
    assert_eq!(delta["tool_calls"][0]["id"], "r_0", "{chunks:?}");
    assert_eq!(chunks[0]["choices"][0]["finish_reason"], "tool_calls");

    let mut asked = delta.clone();
    asked["role"] = "assistant".into();
    let body = json!({"model": "acme/fast", "messages": [
        {"role": "user", "content": "hi"}, asked,
        {"role": "tool", "tool_call_id": "r_0", "content": "12"},
    ]});
    let reply = gateway.client(&string).post("/api/v1/chat/completions", &body).await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "noon", "{reply:?}");
    let contents = provider.received().remove(1).body["contents"].clone();
    assert_eq!(contents[1]["parts"][0], call);
    let answered = json!({"name": "clock", "response": {"result": "12"}});
    assert_eq!(contents[2]["parts"][0]["functionResponse"], answered);
}
