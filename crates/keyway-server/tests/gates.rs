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
use keyway_core::id::{AccountId, Epoch, GenerationId, KeyHash, WorkspaceId};
use keyway_core::key::{KeyKind, KeyName, KeyPatch, KeyRecord, NewKey, SecretRecord, Terms};
use keyway_core::ledger::{
    AccountState, AnswerMark, GenerationRecord, LeaseCall, Leased, Settlement,
};
use keyway_core::money::Nanos;
use keyway_core::secret::{InstallationSecret, KEY_ENTROPY_BYTES, KeyPrefix, KeySecret};
use keyway_core::store::model::MemoryStore;
use keyway_core::store::{
    AccountRecord, Balance, Credential, Joined, KeyCreated, KeyCreation, KeyDeleted, KeyPage,
    KeyQuery, NodeEnd, Settled, Store, StoreError, UsageDay,
};
use keyway_server::app::App;
use keyway_server::config::Config;
use keyway_server::http::router::router;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

/// A store whose marks and settlements wait for a permit each.
struct GatedStore {
    inner: MemoryStore,
    marks: Semaphore,
    settlements: Semaphore,
}

async fn pass(gate: &Semaphore) {
    gate.acquire().await.expect("it is never closed").forget();
}

#[async_trait]
impl Store for GatedStore {
    async fn mark(&self, mark: AnswerMark) -> Result<(), StoreError> {
        pass(&self.marks).await;
        self.inner.mark(mark).await
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        pass(&self.settlements).await;
        self.inner.settle(settlement).await
    }

    fn default_workspace(&self) -> WorkspaceId {
        self.inner.default_workspace()
    }

    async fn key_bootstrap(&self, new: KeyCreation, now: Timestamp) -> Result<bool, StoreError> {
        self.inner.key_bootstrap(new, now).await
    }

    async fn key_create(&self, new: KeyCreation, now: Timestamp) -> Result<KeyCreated, StoreError> {
        self.inner.key_create(new, now).await
    }

    async fn key_get(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.inner.key_get(kind, hash, now).await
    }

    async fn key_list(&self, query: KeyQuery, now: Timestamp) -> Result<KeyPage, StoreError> {
        self.inner.key_list(query, now).await
    }

    async fn key_update(
        &self,
        hash: KeyHash,
        patch: KeyPatch,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.inner.key_update(hash, patch, now).await
    }

    async fn key_rotate(
        &self,
        hash: KeyHash,
        secret: SecretRecord,
        grace_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.inner.key_rotate(hash, secret, grace_until, now).await
    }

    async fn key_delete(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<KeyDeleted, StoreError> {
        self.inner.key_delete(kind, hash, now).await
    }

    async fn credential_find(
        &self,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<Credential>, StoreError> {
        self.inner.credential_find(hash, now).await
    }

    async fn secrets_brought(&self) -> Result<Vec<SecretRecord>, StoreError> {
        self.inner.secrets_brought().await
    }

    async fn budget_set(&self, terms: Terms, now: Timestamp) -> Result<bool, StoreError> {
        self.inner.budget_set(terms, now).await
    }

    async fn account_get(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<AccountRecord>, StoreError> {
        self.inner.account_get(account, now).await
    }

    async fn activity(
        &self,
        account: AccountId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageDay>, StoreError> {
        self.inner.activity(account, from, until).await
    }

    async fn balance(&self, account: AccountId) -> Result<Balance, StoreError> {
        self.inner.balance(account).await
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn lease(&self, call: LeaseCall, now: Timestamp) -> Result<Leased, StoreError> {
        self.inner.lease(call, now).await
    }

    async fn node_join(&self, name: &str, now: Timestamp) -> Result<Joined, StoreError> {
        self.inner.node_join(name, now).await
    }

    async fn node_beat(
        &self,
        epoch: Epoch,
        applied: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.inner.node_beat(epoch, applied, now).await
    }

    async fn node_poll(
        &self,
        epoch: Epoch,
        since: i64,
        now: Timestamp,
    ) -> Result<keyway_core::store::Poll, StoreError> {
        self.inner.node_poll(epoch, since, now).await
    }

    async fn node_end(
        &self,
        epoch: Epoch,
        end: NodeEnd,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        self.inner.node_end(epoch, end, now).await
    }

    async fn account_states(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, AccountState)>, StoreError> {
        self.inner.account_states(accounts).await
    }

    async fn prune(&self, epoch: Epoch, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune(epoch, now).await
    }

    async fn generation(&self, id: GenerationId) -> Result<Option<GenerationRecord>, StoreError> {
        self.inner.generation(id).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.inner.probe().await
    }
}

/// A gateway over a closed store, and a key that may spend $0.00001.
async fn gateway() -> (Arc<App>, Arc<GatedStore>, KeySecret) {
    let store = Arc::new(GatedStore {
        inner: MemoryStore::new(WorkspaceId::from_random([1; 16])),
        marks: Semaphore::new(0),
        settlements: Semaphore::new(0),
    });
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
        App::start(&Config::default(), shared, installation, clock, url, "one".to_owned()).await;
    (app.expect("started"), store, secret)
}

async fn ask(app: &Arc<App>, secret: &KeySecret, stream: bool) -> Response<Body> {
    let body = json!({
        "model": "keyway/echo", "stream": stream,
        "messages": [{"role": "user", "content": "four"}],
    });
    let request = Request::post("/api/v1/chat/completions")
        .header("authorization", format!("Bearer {}", secret.expose()))
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

async fn charged(store: &GatedStore, secret: &KeySecret) -> Nanos {
    let key = store.key_get(KeyKind::Inference, secret.hash(), NOW).await.expect("read");
    key.expect("a key").spend_against_limit()
}

async fn next(body: &mut Body) -> Option<Bytes> {
    body.frame().await?.ok()?.into_data().ok()
}

#[tokio::test]
async fn a_whole_body_waits_for_its_charge() {
    let (app, store, secret) = gateway().await;
    let mut answer = std::pin::pin!(ask(&app, &secret, false));
    assert!(is_stuck(&mut answer).await, "it was answered before it was charged");
    store.settlements.add_permits(1);
    let response = answer.await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["usage"]["cost"].to_string(), "0.000003");
}

#[tokio::test]
async fn a_stream_waits_at_both_gates() {
    let (app, store, secret) = gateway().await;
    let mut answer = std::pin::pin!(ask(&app, &secret, true));
    assert!(is_stuck(&mut answer).await, "its first byte came before its mark");
    store.marks.add_permits(1);
    let response = answer.await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let said = next(&mut body).await.expect("the first event");
    assert!(String::from_utf8_lossy(&said).contains("four"), "{said:?}");
    let finish = next(&mut body).await.expect("why it ended");
    assert!(String::from_utf8_lossy(&finish).contains("\"stop\""), "{finish:?}");

    let mut last = std::pin::pin!(next(&mut body));
    assert!(is_stuck(&mut last).await, "its last byte came before its charge");
    store.settlements.add_permits(1);
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
    store.settlements.add_permits(3);
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
    store.marks.add_permits(1);
    assert_eq!(answer.await.status(), StatusCode::UNAUTHORIZED);
    store.settlements.add_permits(1);
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
    store.settlements.add_permits(3);
    for answer in answers {
        assert_eq!(answer.await.status(), StatusCode::OK);
    }
}
