//! Spans, as a collector of OpenTelemetry receives them.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use keyway_testkit::{Client, Gateway, Provider, Script, eventually};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::{Value, json};

use crate::setup;

const CHAT: &str = "/api/v1/chat/completions";
const PROMPT: &str = "a prompt that no span tells";
const ANSWER: &str = "an answer that no span tells";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A span as it was told.
#[derive(Clone, Debug)]
struct Told {
    name: String,
    kind: SpanKind,
    trace: String,
    id: String,
    parent: String,
    state: String,
    failed: bool,
    attributes: BTreeMap<String, Value>,
    service: String,
}

impl Told {
    fn says(&self, name: &str) -> &Value {
        self.attributes.get(name).unwrap_or(&Value::Null)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes it");
        text
    })
}

fn value(any: Option<Any>) -> Value {
    match any {
        Some(Any::StringValue(text)) => text.into(),
        Some(Any::IntValue(number)) => number.into(),
        Some(Any::BoolValue(flag)) => flag.into(),
        Some(Any::DoubleValue(number)) => number.into(),
        Some(Any::ArrayValue(array)) => {
            array.values.into_iter().map(|it| value(it.value)).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// All that `collector` was told.
fn told(collector: &Provider) -> Vec<Told> {
    let mut all = Vec::new();
    for received in collector.received() {
        assert_eq!(received.path, "/v1/traces");
        let request = ExportTraceServiceRequest::decode(received.bytes).expect("protobuf");
        for resource in request.resource_spans {
            let attributes = resource.resource.expect("who tells it").attributes;
            let service = attributes.into_iter().find(|it| it.key == "service.name");
            let service = value(service.and_then(|it| it.value?.value));
            let service = service.as_str().expect("a name").to_owned();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let (began, ended) = (span.start_time_unix_nano, span.end_time_unix_nano);
                assert!(0 < began && began <= ended, "{span:?}");
                let is_remote = !span.parent_span_id.is_empty() && span.kind() == SpanKind::Server;
                assert_eq!(span.flags, if is_remote { 0x301 } else { 0x101 }, "{span:?}");
                let kind = span.kind();
                let attributes = span.attributes.into_iter();
                let attributes =
                    attributes.map(|it| (it.key, value(it.value.and_then(|any| any.value))));
                all.push(Told {
                    name: span.name,
                    kind,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    state: span.trace_state,
                    failed: span.status.is_some_and(|status| status.code == 2),
                    attributes: attributes.collect(),
                    service: service.clone(),
                });
            }
        }
    }
    all
}

/// Two providers, the first of which is cheaper and told the trace, and a collector.
struct Field {
    gateway: Gateway,
    client: Client,
    collector: Provider,
    cheap: Provider,
    dear: Provider,
}

fn provider(slug: &str, base_url: &str, more: &str) -> String {
    format!(
        "[[providers]]\nslug = \"{slug}\"\ndialect = \"openai\"\nbase_url = \"{base_url}\"\n{more}\n\n"
    )
}

fn endpoint(slug: &str, price: &str) -> String {
    format!(
        "[[models.endpoints]]\nprovider = \"{slug}\"\nupstream_model = \"at-{slug}\"\n\
         pricing = {{ prompt = \"{price}\", completion = \"{price}\" }}\n"
    )
}

fn completion() -> Value {
    json!({
        "id": "theirs-1", "model": "at-cheap-0613",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
    })
}

impl Field {
    async fn new() -> Self {
        let (collector, cheap, dear) =
            (Provider::start().await, Provider::start().await, Provider::start().await);
        collector.always(Script::json(200, &json!({})));
        let endpoint_url = collector.base_url.trim_end_matches("/v1");
        let toml = format!("[traces]\nendpoint = \"{endpoint_url}\"\n\n")
            + &provider("cheap", &cheap.base_url, "pass_traceparent = true")
            + &provider("dear", &dear.base_url, "api_key = \"a-credential-of-ours\"")
            + "[[models]]\nid = \"acme/fast\"\ncontext_length = 8000\n\n"
            + &endpoint("cheap", "0.000001")
            + &endpoint("dear", "0.000003");
        let gateway = setup().config(&toml).start().await;
        let (_, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
        let client = gateway.client(&string);
        Self { gateway, client, collector, cheap, dear }
    }

    fn body(stream: bool) -> Value {
        json!({
            "model": "acme/fast", "stream": stream,
            "provider": {"order": ["cheap", "dear"]},
            "messages": [{"role": "user", "content": PROMPT}],
        })
    }

    /// Stops the gateway, which tells what is left, and answers with all spans: those of requests, and
    /// those of attempts in the order in which they ended.
    async fn told(self) -> (Vec<Told>, Vec<Told>) {
        let Self { gateway, collector, .. } = self;
        let stopped = gateway.terminate().await;
        assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log());
        let all = told(&collector);
        assert!(all.iter().all(|span| span.service == "keyway"));
        all.into_iter().partition(|span| span.kind == SpanKind::Server)
    }
}

#[tokio::test]
async fn a_whole_answer_has_a_span_and_its_attempt_another() {
    let field = Field::new().await;
    field.cheap.always(Script::json(200, &completion()));
    let client = field
        .client
        .clone()
        .with_header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let reply = client.post(CHAT, &Field::body(false)).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let generation = reply.headers["x-generation-id"].to_str().expect("text").to_owned();
    let passed = field.cheap.received()[0].headers["traceparent"].clone();
    let port: u16 = field.cheap.base_url[17..].trim_end_matches("/v1").parse().expect("a port");

    let (requests, attempts) = field.told().await;
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.name, "POST /api/v1/chat/completions");
    assert_eq!((request.trace.as_str(), request.parent.as_str()), (TRACE, PARENT));
    let expected = json!({
        "http.request.method": "POST",
        "http.route": CHAT,
        "url.path": CHAT,
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "acme/fast",
        "gen_ai.request.stream": false,
        "gen_ai.response.id": generation,
        "gen_ai.response.model": "acme/fast",
    });
    assert_eq!(json!(request.attributes), expected);
    let [attempt] = attempts.as_slice() else { panic!("{attempts:?}") };
    assert_eq!((attempt.name.as_str(), attempt.kind), ("chat at-cheap", SpanKind::Client));
    assert_eq!((attempt.trace.as_str(), &attempt.parent), (TRACE, &request.id));
    assert_eq!(passed, format!("00-{TRACE}-{}-01", attempt.id));
    let expected = json!({
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "cheap",
        "gen_ai.request.model": "at-cheap",
        "gen_ai.request.stream": false,
        "server.address": "127.0.0.1",
        "server.port": port,
        "gen_ai.response.id": "theirs-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 4,
    });
    assert_eq!(json!(attempt.attributes), expected);
    assert!(!request.failed && !attempt.failed);
}

/// The first provider fails, the second streams; its credential and the words are in no span.
#[tokio::test]
async fn a_failed_attempt_stands_beside_the_one_that_answered() {
    let field = Field::new().await;
    field.cheap.always(Script::json(500, &json!({"error": {"message": "an error of theirs"}})));
    let chunk = |delta: Value, finish: Value| {
        json!({
            "id": "theirs-2", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        })
        .to_string()
    };
    let usage = json!({
        "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    });
    field.dear.always(Script::events(&[
        &chunk(json!({"content": ANSWER}), Value::Null),
        &chunk(json!({}), json!("length")),
        &usage.to_string(),
        "[DONE]",
    ]));
    let stream = field.client.open(http::Method::POST, CHAT, Field::body(true).to_string()).await;
    stream.expect("an answer").rest().await;
    assert!(!field.dear.received()[0].headers.contains_key("traceparent"), "it is not told");
    let (requests, attempts) = field.told().await;
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.says("gen_ai.request.stream"), true);
    let [failed, answered] = attempts.as_slice() else { panic!("{attempts:?}") };
    assert!(failed.failed && !answered.failed && !request.failed);
    assert_eq!(
        (failed.says("error.type"), failed.says("gen_ai.provider.name")),
        (&json!("500"), &json!("cheap"))
    );
    assert_eq!(answered.says("gen_ai.provider.name"), "dear");
    assert_eq!(answered.says("gen_ai.response.finish_reasons"), &json!(["length"]));
    assert_eq!(answered.says("gen_ai.usage.output_tokens"), 3);
    assert!(answered.says("gen_ai.response.time_to_first_chunk").is_f64());
    assert!(
        [failed, answered].iter().all(|it| it.trace == request.trace && it.parent == request.id)
    );
    let all = format!("{requests:?}{attempts:?}");
    for secret in [PROMPT, ANSWER, "a-credential-of-ours", "an error of theirs"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test]
async fn what_fails_everywhere_and_what_is_refused_is_told_too() {
    let field = Field::new().await;
    for provider in [&field.cheap, &field.dear] {
        provider.always(Script::json(503, &json!({"error": {"message": "later"}})));
    }
    let failed = field.client.post(CHAT, &Field::body(false)).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    let refused = field.client.post(CHAT, &json!({"model": "acme/none", "messages": []})).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    // Routes that are none for inference have no span.
    field.client.get("/api/v1/key").await;
    let (requests, attempts) = field.told().await;
    let [failed, refused_span] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(failed.says("http.response.status_code"), 503);
    assert!(failed.failed && failed.says("error.type").is_string(), "{failed:?}");
    assert_eq!(refused_span.says("http.response.status_code"), refused.status.as_u16());
    assert!(!refused_span.failed && refused_span.says("error.type").is_string());
    assert_eq!(attempts.len(), 2);
    assert!(attempts.iter().all(|it| it.failed && it.says("error.type") == "503"));
}

/// They would fill the queue, and say to the collector what they like.
#[tokio::test]
async fn strangers_begin_no_span_and_no_client_says_more_than_its_trace() {
    let field = Field::new().await;
    field.cheap.always(Script::json(200, &completion()));
    let with_trace = |client: Client| {
        let parent = format!("00-{TRACE}-{PARENT}-01");
        client.with_header("traceparent", &parent).with_header("tracestate", "acme=a-stranger-says")
    };
    for stranger in [field.gateway.client("sk-none"), field.gateway.anonymous()] {
        let refused = with_trace(stranger).post(CHAT, &Field::body(false)).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    let reply = with_trace(field.client.clone()).post(CHAT, &Field::body(false)).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let (requests, attempts) = field.told().await;
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.says("http.response.status_code"), 200);
    assert_eq!((request.trace.as_str(), request.parent.as_str()), (TRACE, PARENT));
    assert!(requests.iter().chain(&attempts).all(|span| span.state.is_empty()), "{requests:?}");
}

#[tokio::test]
async fn a_client_may_have_its_trace_told_by_nobody() {
    let field = Field::new().await;
    field.cheap.always(Script::json(200, &completion()));
    let parent = format!("00-{TRACE}-{PARENT}-00");
    let client = field.client.clone().with_header("traceparent", &parent);
    assert_eq!(client.post(CHAT, &Field::body(false)).await.status, StatusCode::OK);
    let passed = field.cheap.received()[0].headers["traceparent"].clone();
    let passed = passed.to_str().expect("text");
    assert!(passed.starts_with(&format!("00-{TRACE}-")) && passed.ends_with("-00"), "{passed}");
    assert!(!passed.contains(PARENT), "{passed}");
    let (requests, attempts) = field.told().await;
    assert!(requests.is_empty() && attempts.is_empty(), "{requests:?}{attempts:?}");
}

/// One that answers nothing keeps neither requests nor a stop waiting.
#[tokio::test]
async fn a_collector_that_does_not_answer_is_waited_for_by_nobody() {
    let collector = Provider::start().await;
    let never = vec![(Duration::from_hours(1), String::new())];
    collector.always(Script::Stream { pieces: never, breaks: false });
    let url = collector.base_url.trim_end_matches("/v1");
    let gateway = setup()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        .variable("OTEL_SERVICE_NAME", "ours")
        .variable("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20tenant")
        .start()
        .await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "a"})).await;
    let client = gateway.client(&string);
    assert_eq!(client.chat("keyway/echo", "hi").await.status, StatusCode::OK);
    eventually("the collector is told", async || (!collector.received().is_empty()).then_some(()))
        .await;
    for _ in 0..20 {
        assert_eq!(client.chat("keyway/echo", "hi").await.status, StatusCode::OK);
    }
    let stopped = gateway.terminate().await;
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log());
    assert!(told(&collector).iter().all(|span| span.service == "ours"));
    assert_eq!(collector.received()[0].headers["x-tenant"], "a tenant");
}
