//! What providers say that they sold, priced by the catalogue, is what the ledger says that was charged:
//! over random requests in every dialect, with fallbacks, tiers, hours, caches, errands, credentials of the
//! operator's own, failures, breaks and clients that leave.

mod price;
mod vendor;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};
use keyway_core::money::Nanos;
use keyway_testkit::{Client, Gateway, Provider, Random, Script, eventually};
use serde_json::{Value, json};

use self::price::{Count, Price};
use self::vendor::{Deed, Dialect, Task};
use crate::byok::keep;
use crate::setup;

const SEED: u64 = 4;
/// How many requests, unless the environment says otherwise.
const REQUESTS: u64 = 10_000;
const AT_ONCE: usize = 12;
/// What clients speak. Only the first, and the two for errands, have the cost where this looks for it.
const FACES: [&str; 6] = [
    "/api/v1/chat/completions",
    "/api/v1/completions",
    "/api/v1/messages",
    "/api/v1/responses",
    EMBEDDINGS,
    RERANK,
];
const EMBEDDINGS: &str = "/api/v1/embeddings";
const RERANK: &str = "/api/v1/rerank";
/// Providers, and the price at each; every model of conversations is sold by all of them.
const VENDORS: [(Dialect, Price); 9] = [
    (Dialect::OpenAi, Price { prompt: 1_000_000_007, completion: 2_000_000_011, ..Price::FREE }),
    (
        Dialect::OpenAi,
        Price {
            prompt: 900_000_001,
            completion: 4_500_000_003,
            tier: Some((400, 1_800_000_005, 9_000_000_001)),
            cache_read: Some(90_000_001),
            cache_write: Some(1_125_000_007),
            reasoning: Some(5_000_000_001),
            ..Price::FREE
        },
    ),
    (
        Dialect::Anthropic,
        Price {
            prompt: 1_500_000_000,
            completion: 3_000_000_000,
            tier: Some((1_000, 3_000_000_000, 4_000_000_000)),
            cache_read: Some(150_000_000),
            cache_write: Some(1_875_000_000),
            cache_write_1h: Some(3_000_000_001),
            request: 333_333_333,
            ..Price::FREE
        },
    ),
    (Dialect::OpenAi, Price { request: 1_000_000_000_001, ..Price::FREE }),
    (
        Dialect::Gemini,
        Price {
            prompt: 1_250_000_000,
            completion: 2_500_000_000,
            tier: Some((700, 2_500_000_000, 3_750_000_000)),
            cache_read: Some(312_500_000),
            reasoning: Some(3_500_000_000),
            ..Price::FREE
        },
    ),
    (
        Dialect::Cohere,
        Price {
            prompt: 1_100_000_003,
            completion: 4_400_000_009,
            cache_read: Some(550_000_001),
            request: 2_000_000_000_003,
            ..Price::FREE
        },
    ),
    (
        Dialect::Bedrock,
        Price {
            // Never asked: it is always some hour.
            prompt: 9_000_000_000,
            completion: 9_000_000_000,
            hours: Some((1_300_000_001, 3_900_000_007)),
            tier: Some((900, 2_600_000_003, 5_200_000_001)),
            cache_read: Some(130_000_001),
            cache_write: Some(1_625_000_003),
            ..Price::FREE
        },
    ),
    (
        Dialect::Vertex,
        Price {
            prompt: 1_250_000_001,
            completion: 2_500_000_003,
            hours: Some((625_000_003, 1_250_000_007)),
            cache_read: Some(125_000_003),
            ..Price::FREE
        },
    ),
    (Dialect::OpenAi, Price { prompt: 500_000_000, completion: 500_000_000, ..Price::FREE }),
];
/// The last of them sells nothing: it stalls, and is not waited for.
const STALLS: usize = VENDORS.len() - 1;
const MODELS: [&str; 2] = ["acme/one", "acme/two"];
/// The model of vectors and rankings, and who sells it.
const ERRANDS: (&str, [usize; 2]) = ("acme/vectors", [0, OWN]);
/// Where the operator has a credential of their own, which one of the two keys may use. There it is the only one: who
/// presents one, presents that.
const OWN: usize = 5;
const OWN_CREDENTIAL: &str = "sk-own-0123456789abcdef";
/// What is charged where it pays, in thousandths of the list price.
const FEE_THOUSANDTHS: i64 = 55;
const FEE_PERCENT: &str = "5.5";
const MAX_TOKENS: u64 = 200;

/// What a provider did with a request.
#[derive(Clone, Copy, Debug)]
struct Done {
    vendor: usize,
    deed: Deed,
    /// The operator's own credential paid.
    is_own: bool,
}

impl Done {
    /// Whether another may be asked. What breaks off may do so before the first of it is read.
    fn gave_nothing(&self) -> bool {
        !matches!(self.deed, Deed::Sold(_) | Deed::Uncounted | Deed::Silent(_))
    }

    /// What is owed, and the list price where another credential paid that.
    fn owed(self) -> Option<(Count, i64, i64)> {
        let Deed::Sold(count) = self.deed else { return None };
        let list = VENDORS[self.vendor].1.of(count);
        let fee = (list * FEE_THOUSANDTHS + 999) / 1_000;
        Some(if self.is_own { (count, fee, list) } else { (count, list, 0) })
    }
}

/// What was done with which request, in this order.
type Log = Arc<Mutex<HashMap<u64, Vec<Done>>>>;

/// What a client heard.
#[derive(Debug)]
enum Heard {
    /// An error in place of an answer.
    Refused,
    /// An answer to its end, with its cost in nano-dollars.
    All(i64),
    /// An answer to its end, in a dialect in which the cost is not looked for.
    Said,
    /// A stream that ended in an error.
    Broken,
    /// It left before the end.
    Left,
}

/// What was done with a request. Who stalls may notice the request after it was given up, and others asked.
fn in_order(deeds: Option<&Vec<Done>>) -> Vec<Done> {
    let mut deeds = deeds.cloned().unwrap_or_default();
    deeds.sort_by_key(|done| !matches!(done.deed, Deed::Stalled));
    deeds
}

fn configuration(vendors: &[Provider], tokens: &Provider) -> String {
    let providers = vendors.iter().zip(VENDORS).enumerate().map(|(number, (vendor, (dialect, _)))| {
        let more = match dialect {
            _ if number == STALLS => {
                "timeouts = { first_byte = \"50ms\", idle = \"50ms\" }".to_owned()
            }
            Dialect::Vertex => {
                format!("api_key = \"env:ACCOUNT\"\ntoken_url = \"{}/token\"", tokens.base_url)
            }
            Dialect::Bedrock => "api_key = \"env:BEDROCK\"".to_owned(),
            _ => String::new(),
        };
        let (dialect, url) = (dialect.as_str(), &vendor.base_url);
        format!(
            "[[providers]]\nslug = \"v{number}\"\ndialect = \"{dialect}\"\nbase_url = \"{url}\"\n{more}\n\n"
        )
    });
    let (errands, sellers) = ERRANDS;
    let all: Vec<usize> = (0..VENDORS.len()).collect();
    let offers = MODELS.iter().map(|id| (*id, all.as_slice())).chain([(errands, &sellers[..])]);
    let models = offers.map(|(id, sellers)| {
        let endpoints = sellers.iter().map(|number| {
            let pricing = VENDORS[*number].1.toml();
            format!(
                "[[models.endpoints]]\nprovider = \"v{number}\"\nupstream_model = \"{id}\"\n{pricing}\n\n"
            )
        });
        let endpoints: String = endpoints.collect();
        format!("[[models]]\nid = \"{id}\"\ncontext_length = 100000\n\n{endpoints}")
    });
    let fee = format!("[byok]\nfee_percent = \"{FEE_PERCENT}\"\n\n");
    [fee].into_iter().chain(providers).chain(models).collect()
}

/// A provider that decides by the request's number, by itself and by the model.
async fn vendor(number: usize, log: &Log) -> Provider {
    let (provider, log) = (Provider::start().await, Arc::clone(log));
    let (dialect, _) = VENDORS[number];
    provider.decides(move |received| {
        let body = received.body.to_string();
        let ticket = body.split("ticket ").nth(1).and_then(|rest| rest.split(' ').next());
        let ticket: u64 = ticket.and_then(|text| text.parse().ok()).expect("a ticket");
        // Some have the model in the path.
        let second = received.body["model"] == MODELS[1] || received.path.contains("two");
        let second = u64::from(second);
        let fork = (ticket * 2 + second) * VENDORS.len() as u64 + number as u64;
        let mut random = Random::new(SEED).fork(fork);
        let task = Task::of(received);
        let padding = body.matches('x').count();
        let prompt_most = u64::try_from(padding).expect("a length").max(1);
        let deed = vendor::decide(&mut random, prompt_most, MAX_TOKENS);
        let deed = if number == STALLS { Deed::Stalled } else { dialect.says(deed, task) };
        let is_own = number == OWN && received.headers.contains_key("authorization");
        let done = Done { vendor: number, deed, is_own };
        log.lock().unwrap_or_else(PoisonError::into_inner).entry(ticket).or_default().push(done);
        vendor::perform(deed, dialect, task, &mut random)
    });
    provider
}

/// A request in the dialect of `face`.
fn body(face: &str, ticket: u64, random: &mut Random) -> Value {
    let padding = usize::try_from(random.between(1, 1_500)).expect("a length");
    let content = format!("ticket {ticket} {}", "x".repeat(padding));
    let mut body = json!({"model": MODELS[random.index(2)], "stream": random.once_in(2)});
    if [EMBEDDINGS, RERANK].contains(&face) {
        return errand(face, &content, random);
    }
    let mut text = json!({"type": "text", "text": content});
    if random.once_in(2) {
        text["cache_control"] =
            json!({"type": "ephemeral", "ttl": if random.once_in(2) { "1h" } else { "5m" }});
    }
    let messages = json!([{"role": "user", "content": [text]}]);
    let (prompt, bound) = match face {
        "/api/v1/completions" => (("prompt", json!(content)), "max_tokens"),
        "/api/v1/responses" => (("input", json!(content)), "max_output_tokens"),
        _ => (("messages", messages), "max_tokens"),
    };
    body[prompt.0] = prompt.1;
    body[bound] = json!(MAX_TOKENS);
    if random.once_in(3) {
        body["models"] = json!(MODELS);
    }
    body["provider"] = match random.below(6) {
        0 => json!({"order": ["v2", "v1"]}),
        1 => json!({"sort": "price"}),
        2 => json!({"only": ["v0", "v1", "v2", "v4", "v6", "v7"]}),
        3 => json!({"allow_fallbacks": false}),
        4 if random.once_in(3) => json!({"order": [format!("v{STALLS}"), "v4"]}),
        _ => Value::Null,
    };
    body
}

/// Texts to be found, or documents to be ranked: few, or more than one search pays for.
fn errand(face: &str, content: &str, random: &mut Random) -> Value {
    let mut body = json!({"model": ERRANDS.0});
    if face == EMBEDDINGS {
        body["input"] = json!(content);
        return body;
    }
    let documents = if random.once_in(2) { 3 } else { 150 };
    body["query"] = json!(content);
    body["documents"] = (0..documents).map(|number| json!(format!("document {number}"))).collect();
    body
}

async fn ask(client: &Client, ticket: u64) -> Heard {
    let mut random = Random::new(SEED ^ 0xA5).fork(ticket);
    let face = FACES[random.index(FACES.len())];
    let body = body(face, ticket, &mut random);
    let has_cost = [FACES[0], EMBEDDINGS, RERANK].contains(&face);
    let all = |cost: &Value| if has_cost { Heard::All(nanos(cost)) } else { Heard::Said };
    if body["stream"] != true {
        let reply = client.post(face, &body).await;
        if reply.status == StatusCode::OK {
            return all(&reply.json()["usage"]["cost"]);
        }
        reply.error();
        return Heard::Refused;
    }
    let opened = client.open(Method::POST, face, body.to_string()).await.expect("a head");
    if opened.status != StatusCode::OK {
        return Heard::Refused;
    }
    let mut opened = opened;
    let leaves = random.once_in(6);
    let mut cost = Value::Null;
    while let Some(event) = opened.next().await {
        if leaves {
            return Heard::Left;
        }
        if event == "[DONE]" {
            break;
        }
        let event: Value = serde_json::from_str(&event).expect("JSON");
        if is_error(&event) {
            return Heard::Broken;
        }
        if let Some(said) = event["usage"].get("cost") {
            cost = said.clone();
        }
    }
    all(&cost)
}

/// Whether an event of a stream says, in any dialect, that there will be no more.
fn is_error(event: &Value) -> bool {
    let kind = event["type"].as_str().unwrap_or_default();
    event.get("error").is_some() || ["error", "response.failed"].contains(&kind)
}

fn nanos(usd: &Value) -> i64 {
    Nanos::parse_limit(&usd.to_string()).expect("USD").get()
}

/// A settled request, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    provider: String,
    prompt_tokens: u64,
    completion_tokens: u64,
    charge: i64,
    /// At list price, where the operator's own credential paid.
    list: i64,
}

/// Rows of answers as they were counted, the sum of the estimated ones, and the sum of overruns.
fn ledger(gateway: &Gateway) -> (Vec<Row>, i64, i64) {
    let store = rusqlite::Connection::open(gateway.data_dir().join("keyway.db")).expect("a store");
    let mut statement = store
        .prepare(
            "SELECT provider, prompt_tokens, completion_tokens, charge_nanos, estimated, \
             overrun_nanos, byok_nanos FROM generation \
             WHERE charge_nanos > 0 OR overrun_nanos > 0",
        )
        .expect("a query");
    let (mut rows, mut estimated, mut overrun) = (Vec::new(), 0, 0);
    let mut found = statement.query([]).expect("rows");
    while let Some(row) = found.next().expect("a row") {
        overrun += row.get::<_, i64>(5).expect("an amount");
        if row.get::<_, bool>(4).expect("a flag") {
            estimated += row.get::<_, i64>(3).expect("an amount");
            continue;
        }
        let tokens = |column| u64::try_from(row.get::<_, i64>(column).expect("a count"));
        rows.push(Row {
            provider: row.get(0).expect("a slug"),
            prompt_tokens: tokens(1).expect("a count"),
            completion_tokens: tokens(2).expect("a count"),
            charge: row.get(3).expect("an amount"),
            list: row.get(6).expect("an amount"),
        });
    }
    rows.sort_unstable();
    (rows, estimated, overrun)
}

/// Two keys, of which the second may use the operator's own credential: their hashes and clients.
async fn two_keys(gateway: &Gateway) -> (Vec<String>, Vec<Client>) {
    let manager = gateway.manager();
    let (mut hashes, mut clients) = (Vec::new(), Vec::new());
    for name in ["a", "b"] {
        let (key, string) = manager.create_key(&json!({"name": name, "limit": 1000})).await;
        hashes.push(key["hash"].as_str().expect("a hash").to_owned());
        clients.push(gateway.client(&string));
    }
    let own = json!({
        "provider": format!("v{OWN}"), "key": OWN_CREDENTIAL, "allowed_api_key_hashes": [hashes[1]],
    });
    keep(&manager, &own).await;
    (hashes, clients)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sold_is_what_is_charged() {
    let requests = std::env::var("KEYWAY_SOLD_REQUESTS");
    let requests: u64 = requests.map_or(REQUESTS, |text| text.parse().expect("a number"));
    let log = Log::default();
    let mut vendors = Vec::new();
    for number in 0..VENDORS.len() {
        vendors.push(vendor(number, &log).await);
    }
    let tokens = Provider::start().await;
    tokens.always(Script::json(200, &json!({"access_token": "ya29.one", "expires_in": 3599})));
    let gateway = setup()
        .config(&configuration(&vendors, &tokens))
        .variable(
            "ACCOUNT",
            include_str!("../../../../keyway-testkit/fixtures/service-account.json"),
        )
        .variable("BEDROCK", "bedrock-api-key-0123456789")
        .start()
        .await;
    let (hashes, clients) = two_keys(&gateway).await;
    let heard: Vec<(u64, Heard)> = stream::iter(0..requests)
        .map(|ticket| {
            let client = clients[usize::from(ticket % 4 == 0)].clone();
            async move { (ticket, ask(&client, ticket).await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut spent = 0;
    for hash in &hashes {
        let shown = eventually("everything is settled", async || {
            let shown = gateway.manager().key(hash).await;
            (shown["held"] == 0).then_some(shown)
        })
        .await;
        spent += nanos(&shown["usage"]);
    }

    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut expected, mut uncounted, mut fallbacks) = (Vec::new(), 0_i64, 0);
    let (mut refused, mut broken, mut left, mut free, mut own) = (0, 0, 0, 0, 0);
    let (mut cached_1h, mut searches) = (0, 0);
    for (ticket, heard) in &heard {
        let deeds = in_order(log.get(ticket));
        fallbacks += u32::from(deeds.len() > 1);
        let (last, before) = deeds.split_last().expect("every request reaches a provider");
        let only_last = before.iter().all(Done::gave_nothing);
        assert!(only_last, "{ticket}: nobody is asked after an answer: {deeds:?}");
        let owed = last.owed();
        match (heard, last.deed) {
            (Heard::Refused, Deed::Failed | Deed::Stalled | Deed::BrokeOff) => refused += 1,
            // A client that waits for long has its head before anybody answered.
            (Heard::Broken, Deed::Failed | Deed::Stalled | Deed::BrokeOff) => broken += 1,
            (Heard::All(cost), Deed::Sold(_)) => {
                assert_eq!(Some(*cost), owed.map(|(_, cost, _)| cost), "{ticket}: {deeds:?}");
            }
            (Heard::All(cost), Deed::Uncounted) => uncounted += cost,
            (Heard::Said, Deed::Sold(_) | Deed::Uncounted | Deed::Silent(_)) => {}
            (Heard::All(cost), Deed::Silent(_)) => {
                assert_eq!(*cost, 0, "{ticket}: nothing was said");
                free += 1;
            }
            (Heard::Left, _) => left += 1,
            other => panic!("{ticket}: {other:?} after {deeds:?}"),
        }
        own += u32::from(last.is_own);
        if let Some((count, charge, list)) = owed
            && charge > 0
        {
            cached_1h += count.written_1h;
            searches += u32::from(count.units > 1);
            expected.push(Row {
                provider: format!("v{}", last.vendor),
                prompt_tokens: count.prompt,
                completion_tokens: count.completion,
                charge,
                list,
            });
        }
    }
    for vendor in 0..STALLS {
        let slug = format!("v{vendor}");
        assert!(expected.iter().any(|row| row.provider == slug), "{slug} sells something");
    }
    assert!(own > 0 && cached_1h > 0 && searches > 0, "every kind of price is met");
    expected.sort_unstable();
    let (rows, estimated, overrun) = ledger(&gateway);
    let sold: i64 = expected.iter().map(|row| row.charge).sum();
    assert_eq!(rows.len(), expected.len(), "answers that are charged as they were counted");
    assert_eq!(rows, expected);
    assert_eq!(spent, sold + estimated, "the keys' own sums");
    assert!(estimated >= uncounted, "what nobody counted is estimated, and marked so");
    assert_eq!(overrun, 0, "no price shape costs more than its bound");
    println!(
        "{requests} requests: {} charged as counted, ${} to the nano-dollar; {fallbacks} fell back, \
         {refused} refused, {broken} broke off, {left} clients left, {free} said nothing, {own} paid by \
         the operator's own credential",
        rows.len(),
        Nanos::new(sold)
    );
}
