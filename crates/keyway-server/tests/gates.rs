//! The two gates, with a store that keeps everybody waiting until a test lets it go on.
//!
//! The first byte of a stream waits for the mark, the usage event and a whole body for the charge.

use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use keyway_core::clock::{Clock, ManualClock, Timestamp};
use keyway_core::id::WorkspaceId;
use keyway_core::key::{KeyKind, KeyName, KeyPatch, KeyRecord, NewKey, SecretRecord, Terms};
use keyway_core::ledger::Settlement;
use keyway_core::money::Nanos;
use keyway_core::secret::{InstallationSecret, KEY_ENTROPY_BYTES, KeyPrefix, KeySecret};
use keyway_core::store::model::MemoryStore;
use keyway_core::store::watched::{Watch, Watched};
use keyway_core::store::{KeyCreation, Store, StoreError};
use keyway_server::app::App;
use keyway_server::config::Config;
use keyway_server::http::router::router;
use keyway_testkit::eventually;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

/// Marks and settlements wait for a permit each.
struct Gates {
    marks: Semaphore,
    settlements: Semaphore,
}

async fn pass(gate: &Semaphore) {
    gate.acquire().await.expect("it is never closed").forget();
}

type GatedStore = Watched<Gates>;

#[async_trait]
impl Watch for Gates {
    async fn before(&self, verb: &'static str) {
        match verb {
            "mark" => pass(&self.marks).await,
            "settle" => pass(&self.settlements).await,
            _ => {}
        }
    }

    fn refuses(&self, settlement: &Settlement) -> Option<StoreError> {
        let agent = settlement.request.origin.user_agent.as_deref();
        (agent == Some(ODD)).then(|| StoreError::Broken("an odd text".to_owned()))
    }

    fn loses(&self, settlement: &Settlement) -> bool {
        let agent = settlement.request.origin.user_agent.as_deref();
        agent == Some(UNHEARD) && settlement.charge > Nanos::ZERO
    }
}

/// What no row of this store can hold.
const ODD: &str = "odd";

/// Who sends this is charged by a store that cannot say so.
const UNHEARD: &str = "unheard";

/// A gateway over a closed store, and a key that may spend $0.00001.
async fn gateway() -> (Arc<App>, Arc<GatedStore>, KeySecret) {
    let inner = Arc::new(MemoryStore::new(WorkspaceId::from_random([1; 16])));
    let gates = Gates { marks: Semaphore::new(0), settlements: Semaphore::new(0) };
    let store = Arc::new(Watched::new(inner, gates));
    let installation = InstallationSecret::new(&[7; 32]);
    let secret = KeySecret::mint(&KeyPrefix::default(), &[3; KEY_ENTROPY_BYTES]);
    let name = KeyName::new("a").expect("a name");
    let terms = Terms { limit: Some(Nanos::new(10_000)), ..Terms::default() };
    let kind = KeyKind::Inference;
    let key = NewKey { kind, terms, ..NewKey::management(name, store.default_workspace()) };
    let record = SecretRecord::minted(&secret, &installation);
    let creation = KeyCreation { key, secret: record, idempotency: None };
    store.key_create(creation, NOW).await.expect("created");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
    let url = "http://gateway".to_owned();
    let app =
        App::start(&Config::default(), shared, installation.into(), clock, url, "one".to_owned())
            .await;
    let app = app.expect("started");
    // How many nodes share the limits it knows from its first poll on.
    app.node.in_force().await.expect("polled");
    (app, store, secret)
}

async fn ask(app: &Arc<App>, secret: &KeySecret, stream: bool) -> Response<Body> {
    ask_as(app, secret, "client/1", stream).await
}

async fn ask_as(app: &Arc<App>, secret: &KeySecret, agent: &str, stream: bool) -> Response<Body> {
    let body = json!({
        "model": "keyway/echo", "stream": stream,
        "messages": [{"role": "user", "content": "four"}],
    });
    let request = Request::post("/api/v1/chat/completions")
        .header("authorization", format!("Bearer {}", secret.expose()))
        .header("user-agent", agent)
        .body(Body::from(body.to_string()));
    let answered = router(Arc::clone(app)).oneshot(request.expect("a request")).await;
    answered.expect("a router always answers")
}

/// Lets everything run that can, and tells whether `future` is still not done.
async fn is_stuck<F: Future>(future: &mut std::pin::Pin<&mut F>) -> bool {
    for _ in 0..100 {
        tokio::task::yield_now().await;
        let polled =
            std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if polled.is_ready() {
            return false;
        }
    }
    true
}

/// Disables the key, and waits until that is in force.
async fn disable(app: &Arc<App>, store: &GatedStore, secret: &KeySecret) {
    let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
    store.key_update(secret.hash(), patch, NOW).await.expect("disabled");
    app.node.in_force().await.expect("in force");
}

async fn record(store: &GatedStore, secret: &KeySecret) -> KeyRecord {
    let key = store.key_get(KeyKind::Inference, secret.hash(), NOW).await.expect("read");
    key.expect("a key")
}

async fn charged(store: &GatedStore, secret: &KeySecret) -> Nanos {
    record(store, secret).await.spend_against_limit()
}

async fn next(body: &mut Body) -> Option<Bytes> {
    body.frame().await?.ok()?.into_data().ok()
}

#[tokio::test]
async fn a_whole_body_waits_for_its_charge() {
    let (app, store, secret) = gateway().await;
    let mut answer = std::pin::pin!(ask(&app, &secret, false));
    assert!(is_stuck(&mut answer).await, "it was answered before it was charged");
    store.watch.settlements.add_permits(1);
    let response = answer.await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["usage"]["cost"].to_string(), "0.000003");
}

#[tokio::test]
async fn what_a_row_cannot_hold_keeps_no_charge_from_being_written() {
    let (app, store, secret) = gateway().await;
    store.watch.settlements.add_permits(2);
    let response = ask_as(&app, &secret, ODD, false).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(charged(&store, &secret).await, Nanos::new(3_000));
    assert_eq!(app.meter.held(record(&store, &secret).await.account), Nanos::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_was_given_up_after_it_was_written_stands() {
    let (app, store, secret) = gateway().await;
    store.watch.settlements.add_permits(1_000);
    let response = ask_as(&app, &secret, UNHEARD, false).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let account = record(&store, &secret).await.account;
    eventually("what it held is free", || async {
        (app.meter.held(account) == Nanos::ZERO).then_some(())
    })
    .await;
    assert_eq!(charged(&store, &secret).await, Nanos::new(3_000), "it had been written");
    // Of $0.00001 there are $0.000007 left, here too, and each takes $0.000003.
    assert_eq!(ask(&app, &secret, false).await.status(), StatusCode::OK);
    assert_eq!(ask(&app, &secret, false).await.status(), StatusCode::OK);
    assert_eq!(ask(&app, &secret, false).await.status(), StatusCode::PAYMENT_REQUIRED);
    assert_eq!(charged(&store, &secret).await, Nanos::new(9_000));
}

#[tokio::test]
async fn a_stream_waits_at_both_gates() {
    let (app, store, secret) = gateway().await;
    let mut answer = std::pin::pin!(ask(&app, &secret, true));
    assert!(is_stuck(&mut answer).await, "its first byte came before its mark");
    store.watch.marks.add_permits(1);
    let response = answer.await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let said = next(&mut body).await.expect("the first event");
    assert!(String::from_utf8_lossy(&said).contains("four"), "{said:?}");
    let finish = next(&mut body).await.expect("why it ended");
    assert!(String::from_utf8_lossy(&finish).contains("\"stop\""), "{finish:?}");

    let mut last = std::pin::pin!(next(&mut body));
    assert!(is_stuck(&mut last).await, "its last byte came before its charge");
    store.watch.settlements.add_permits(1);
    let last = last.await.expect("the usage event");
    let last = String::from_utf8_lossy(&last);
    assert!(last.contains("\"cost\":0.000003") && last.contains("[DONE]"), "{last}");
}

#[tokio::test]
async fn what_a_request_does_not_use_is_free_when_its_charge_is_durable() {
    let (app, store, secret) = gateway().await;
    // Each holds $0.000003 of $0.00001: three fit, and the fourth waits though nothing is charged.
    let mut answers: Vec<_> = (0..3).map(|_| Box::pin(ask(&app, &secret, false))).collect();
    for answer in &mut answers {
        assert!(is_stuck(&mut answer.as_mut()).await);
    }
    let mut fourth = std::pin::pin!(ask(&app, &secret, false));
    assert!(is_stuck(&mut fourth).await, "what is held is not to be had");
    store.watch.settlements.add_permits(3);
    for answer in answers {
        assert_eq!(answer.await.status(), StatusCode::OK);
    }
    assert_eq!(fourth.await.status(), StatusCode::PAYMENT_REQUIRED, "too little is left");
}

#[tokio::test]
async fn the_first_byte_is_not_for_a_key_that_was_revoked_meanwhile() {
    let (app, store, secret) = gateway().await;
    let mut answer = std::pin::pin!(ask(&app, &secret, true));
    assert!(is_stuck(&mut answer).await, "it waits for its mark");
    disable(&app, &store, &secret).await;
    assert!(is_stuck(&mut answer).await, "it still waits");
    store.watch.marks.add_permits(1);
    assert_eq!(answer.await.status(), StatusCode::UNAUTHORIZED);
    store.watch.settlements.add_permits(1);
    assert_eq!(charged(&store, &secret).await, Nanos::ZERO, "nothing was delivered");
}

#[tokio::test]
async fn who_waits_for_budget_on_a_key_that_is_revoked_is_refused() {
    let (app, store, secret) = gateway().await;
    let mut answers: Vec<_> = (0..3).map(|_| Box::pin(ask(&app, &secret, false))).collect();
    for answer in &mut answers {
        assert!(is_stuck(&mut answer.as_mut()).await);
    }
    let mut fourth = std::pin::pin!(ask(&app, &secret, false));
    assert!(is_stuck(&mut fourth).await, "what is held is not to be had");
    disable(&app, &store, &secret).await;
    assert_eq!(fourth.await.status(), StatusCode::UNAUTHORIZED);
    // The others were through the gate before: their charges are on their way.
    store.watch.settlements.add_permits(3);
    for answer in answers {
        assert_eq!(answer.await.status(), StatusCode::OK);
    }
}
