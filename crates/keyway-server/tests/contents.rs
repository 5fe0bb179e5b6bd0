//! What was said in requests goes when it is old.

use std::sync::Arc;
use std::time::Duration;

use keyway_core::clock::{Clock, ManualClock};
use keyway_core::content::Content;
use keyway_core::id::WorkspaceId;
use keyway_core::secret::InstallationSecret;
use keyway_core::store::Store;
use keyway_core::store::contract::fixture::{create, inference, metered, now};
use keyway_core::store::model::MemoryStore;
use keyway_server::app::App;
use keyway_server::config::Config;

const DAY: i64 = 86_400;

#[tokio::test(start_paused = true)]
async fn what_is_older_than_the_configuration_says_is_deleted() {
    let store = Arc::new(MemoryStore::new(WorkspaceId::from_random([1; 16])));
    let key = create(store.as_ref(), inference(store.as_ref(), "said")).await;
    let content = |number: u8, days: i64| {
        let generation = metered(number, &key, now().plus_seconds(-days * DAY)).id;
        Content { generation, key: key.id, sealed: vec![number] }
    };
    let [old, young] = [content(1, 31), content(2, 30)];
    store.content_keep(vec![old.clone(), young.clone()]).await.expect("kept");
    let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now()));
    let (url, node) = ("http://gateway".to_owned(), "one".to_owned());
    let installation = InstallationSecret::new(&[7; 32]);
    let app = App::start(&Config::default(), shared, installation.into(), clock, url, node).await;
    let app = app.expect("started");
    // Time passes when nobody has anything to do.
    let gone = async {
        while store.content_get(old.generation).await != Ok(None) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(5), gone).await.expect("it is old");
    assert_eq!(store.content_get(young.generation).await, Ok(Some(young)));
    app.leave().await;
}
