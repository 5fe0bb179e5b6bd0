//! What can be asked for: lists, pages, filters, single models, endpoints and providers.

use http::StatusCode;
use keyway_testkit::{Client, Gateway};
use serde_json::{Value, json};

use crate::setup;

/// A gateway with the catalogue's models at two providers that are never reached, and one of its own.
async fn gateway() -> Gateway {
    let toml = "[[providers]]\nslug = \"own\"\nname = \"Own\"\ndialect = \"openai\"\n\
                base_url = \"http://127.0.0.1:9/v1\"\nzdr = true\n\n[[models]]\nid = \"own/dear\"\n\
                name = \"Dear one\"\ncontext_length = 100\ndistillable = true\n\n\
                [[models.endpoints]]\nprovider = \"own\"\nupstream_model = \"m\"\nvariant = \"fast\"\n\
                supported_parameters = [\"tools\"]\npricing = { prompt = \"0.5\", completion = \"0.6\", \
                input_cache_read = \"0.1\", discount = \"0.25\", overrides = [\
                { min_prompt_tokens = 50, utc_start = \"16:30\", utc_end = \"00:30\", prompt = \"0.7\" }] }\n\n\
                [[models]]\nid = \"own/unpriced\"\ncontext_length = 100\n\n\
                [[models.endpoints]]\nprovider = \"own\"\nupstream_model = \"m\"\n";
    let setup = setup().config(toml);
    setup.variable("OPENAI_API_KEY", "planted").variable("GROQ_API_KEY", "planted").start().await
}

async fn data(client: &Client, path: &str) -> Value {
    let reply = client.get(&format!("/api/v1{path}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.json()["data"].clone()
}

async fn ids(client: &Client, path: &str) -> Vec<String> {
    let models = data(client, path).await;
    let models = models.as_array().expect("a list").iter();
    models.map(|model| model["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn pages_end_and_whoever_asks_past_the_end_is_told_so() {
    let gateway = gateway().await;
    let anyone = gateway.anonymous();
    let all = ids(&anyone, "/models").await;
    let count = data(&anyone, "/models/count").await["count"].as_u64().expect("a count");
    assert!(count > 40 && count == all.len() as u64, "{count}");
    let mut paged = Vec::new();
    let mut path = "/models?limit=20&q=G".to_owned();
    loop {
        let reply = anyone.get(&format!("/api/v1{path}")).await.json();
        let page = reply["data"].as_array().expect("a page");
        assert!(page.len() <= 20);
        paged.extend(page.iter().map(|model| model["id"].as_str().expect("an id").to_owned()));
        let Some(next) = reply["links"]["next"].as_str() else { break };
        path = next.split_once("/api/v1").expect("our own address").1.to_owned();
    }
    assert_eq!(paged, ids(&anyone, "/models?q=g").await);
    assert!(ids(&anyone, "/models?offset=5000").await.is_empty());
    assert!(ids(&anyone, &format!("/embeddings/models?offset={count}")).await.is_empty());
}

#[tokio::test]
async fn filters_leave_what_is_asked_for() {
    let gateway = gateway().await;
    let anyone = gateway.anonymous();
    for (query, expected) in [
        ("q=DEAR", vec!["own/dear"]),
        ("model_authors=own,keyway", vec!["own/dear", "own/unpriced", "keyway/echo"]),
        ("providers=Own&supported_parameters=tools", vec!["own/dear"]),
        ("distillable=true&min_price=1000", vec!["own/dear"]),
        ("zdr=true&max_price=0.5", vec![]),
        ("zdr=true&max_price=1", vec!["keyway/echo"]),
        ("min_output_price=1000000000", vec![]),
        ("category=programming", vec![]),
        ("output_modalities=rerank", vec![]),
    ] {
        assert_eq!(ids(&anyone, &format!("/models?{query}")).await, expected, "{query}");
    }
    for (query, word) in [
        ("input_modalities=image,text", "openai/gpt-5"),
        ("output_modalities=embeddings", "openai/text-embedding-3-small"),
        ("context=200000&supported_parameters=tools,reasoning", "openai/gpt-5"),
        ("providers=groq", "openai/gpt-oss-120b"),
    ] {
        let found = ids(&anyone, &format!("/models?{query}")).await;
        assert!(found.iter().any(|id| id == word) && found.len() < 60, "{query}: {found:?}");
    }
    let embedding = ids(&anyone, "/embeddings/models").await;
    assert_eq!(embedding, ids(&anyone, "/models?output_modalities=embeddings").await);
    let cheapest = ids(&anyone, "/models?sort=pricing-low-to-high").await;
    assert_eq!(cheapest.last().map(String::as_str), Some("own/unpriced"));
    assert_eq!(ids(&anyone, "/models?sort=pricing-high-to-low").await[0], "own/dear");
    for query in [
        "limit=0",
        "limit=1001",
        "offset=-1",
        "sort=best",
        "min_price=cheap",
        "context=x",
        "input_modalities=smell",
        "distillable=maybe",
        "use_rss=true",
    ] {
        let reply = anyone.get(&format!("/api/v1/models?{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}: {reply:?}");
        let field = query.split('=').next().expect("a name");
        assert!(reply.error().contains(field), "{query}: {}", reply.error());
    }
}

#[tokio::test]
async fn a_key_sees_what_it_may_use() {
    let gateway = gateway().await;
    let (_, limited) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    let (_, free) = gateway.manager().create_key(&json!({"name": "b"})).await;
    let sees = async |string: &str| {
        ids(&gateway.client(string), "/models/user").await.contains(&"own/unpriced".to_owned())
    };
    assert_eq!((sees(&limited).await, sees(&free).await), (false, true));
}

#[tokio::test]
async fn a_model_its_endpoints_and_their_prices_are_shown() {
    let gateway = gateway().await;
    let anyone = gateway.anonymous();
    let model = data(&anyone, "/model/own/dear").await;
    assert_eq!(model["architecture"]["modality"], "text->text");
    assert_eq!(model["supported_parameters"], json!(["tools"]));
    let price = json!({
        "prompt": "0.5", "completion": "0.6", "input_cache_read": "0.1", "discount": 0.25,
        "overrides": [{"min_prompt_tokens": 50, "utc_start": 1630, "utc_end": 30, "prompt": "0.7"}],
    });
    assert_eq!(model["pricing"], price);
    let listed = data(&anyone, "/models/own/dear/endpoints").await;
    let [endpoint] = &listed["endpoints"].as_array().expect("endpoints")[..] else {
        panic!("{listed}")
    };
    assert_eq!((&endpoint["tag"], &endpoint["provider_name"]), (&json!("own/fast"), &json!("Own")));
    assert_eq!(endpoint["pricing"], price);
    assert_eq!(endpoint["context_length"], 100);
    let unpriced = data(&anyone, "/model/own/unpriced").await;
    assert_eq!(unpriced["pricing"], json!({"prompt": "-1", "completion": "-1"}));
    let parameters = data(&anyone, "/parameters/own/dear").await;
    assert_eq!(parameters, json!({"model": "own/dear", "supported_parameters": ["tools"]}));
    let thinks = data(&anyone, "/model/openai/gpt-5").await;
    assert_eq!(thinks["reasoning"], json!({"mandatory": false}));
    for path in ["/model/own/no", "/models/no/dear/endpoints", "/parameters/%ff/x"] {
        let reply = anyone.get(&format!("/api/v1{path}")).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}: {reply:?}");
    }
    let providers = data(&anyone, "/providers").await;
    let slugs = providers.as_array().expect("a list").iter().map(|it| it["slug"].as_str());
    assert_eq!(slugs.flatten().collect::<Vec<_>>(), ["groq", "keyway", "openai", "own"]);
}
