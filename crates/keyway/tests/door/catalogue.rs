//! Models and prices that change while the gateway runs: by `keyway catalogue update`, by hand, by the
//! configuration.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use http::StatusCode;
use keyway_testkit::{Client, Gate, Gateway, Provider, Script, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::setup;

const MODEL: &str = "acme/fast";
/// For each of a hundred tokens of the prompt.
const PRICE: &str = "0.00001";
const COST: &str = "0.001";

/// The text of a catalogue with one model, at the provider that `OLLAMA_HOST` switches on.
fn edition(day: &str, prompt: &str) -> String {
    let head =
        json!({"version": day, "models": 1, "sources": [{"package": "a test", "version": "1"}]});
    let model = json!({
        "id": MODEL, "name": "Fast", "input_modalities": ["text"], "output_modalities": ["text"],
        "endpoints": [{
            "provider": "ollama", "upstream_model": "m", "context_length": 8000,
            "max_completion_tokens": 1000, "supported_parameters": ["max_tokens"],
            "pricing": {"prompt": prompt, "completion": "0"},
        }],
    });
    format!("{head}\n{model}\n")
}

fn usage() -> Value {
    json!({"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101})
}

fn answer() -> Script {
    let message = json!({"role": "assistant", "content": "hi"});
    let choice = json!({"index": 0, "finish_reason": "stop", "message": message});
    Script::json(200, &json!({"choices": [choice], "usage": usage()}))
}

/// A gateway with the catalogue of this test in force, and a provider behind it.
struct Scene {
    gateway: Gateway,
    provider: Provider,
    client: Client,
    /// The key of `client`.
    string: String,
    files: TempDir,
}

impl Scene {
    async fn set(toml: &str) -> Self {
        let provider = Provider::start().await;
        provider.always(answer());
        let host = provider.base_url.trim_end_matches("/v1");
        let toml = toml.replace("BASE_URL", &provider.base_url);
        let gateway = setup().config(&toml).variable("OLLAMA_HOST", host).start().await;
        let (_, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 9})).await;
        let client = gateway.client(&string);
        let files = tempfile::tempdir().expect("a directory");
        let scene = Self { gateway, provider, client, string, files };
        scene.updated(&edition("2026-01-01", PRICE), &[]).await;
        scene
    }

    /// Runs `keyway catalogue update` with a file that holds `text`.
    async fn update(&self, text: &str, options: &[&str]) -> Output {
        let path = self.files.path().join("models.jsonl");
        std::fs::write(&path, text).expect("written");
        self.update_from(path.to_str().expect("a path"), options).await
    }

    async fn update_from(&self, source: &str, options: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_keyway"));
        command.args(["catalogue", "update", source]).args(options);
        command.arg("--data-dir").arg(self.gateway.data_dir());
        command.output().await.expect("the binary runs")
    }

    /// The same, and waits until the gateway has put it in force.
    async fn updated(&self, text: &str, options: &[&str]) -> String {
        let before = self.said("the catalogue is in force");
        let output = self.update(text, options).await;
        assert!(output.status.success(), "{output:?}");
        self.says_again("the catalogue is in force", before).await;
        String::from_utf8(output.stdout).expect("text")
    }

    /// Sends SIGHUP, and waits until the log says `words` once more.
    async fn hang_up(&self, words: &str) {
        let before = self.said(words);
        self.gateway.signal(Signal::HUP);
        self.says_again(words, before).await;
    }

    fn said(&self, words: &str) -> usize {
        self.gateway.log().matches(words).count()
    }

    async fn says_again(&self, words: &str, before: usize) {
        eventually(words, async || (self.said(words) > before).then_some(())).await;
    }

    /// What a request costs now.
    async fn cost(&self) -> String {
        let reply = self.client.chat(MODEL, "hi").await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()["usage"]["cost"].to_string()
    }

    fn installed(&self) -> String {
        std::fs::read_to_string(self.place()).expect("it lies there")
    }

    fn place(&self) -> std::path::PathBuf {
        self.gateway.data_dir().join("catalogue/models.jsonl")
    }
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_request_under_way_keeps_its_price_and_the_next_has_the_new_one() {
    let scene = Scene::set("").await;
    assert_eq!(scene.cost().await, COST);
    let chunk = |choice: Value, usage: Value| {
        format!("data: {}\n\n", json!({"choices": [choice], "usage": usage}))
    };
    let begins = chunk(json!({"index": 0, "delta": {"content": "h"}}), Value::Null);
    let ends = chunk(json!({"index": 0, "delta": {}, "finish_reason": "stop"}), usage());
    let (gate, rest) = (Gate::shut(), format!("{ends}data: [DONE]\n\n"));
    scene.provider.then(Script::Gated { first: begins, gate: gate.clone(), rest });
    let mut under_way = scene.client.chat_stream(MODEL, "hi").await.expect("a head");
    under_way.next().await.expect("it has begun");

    let said = scene.updated(&edition("2026-02-02", "0.00003"), &[]).await;
    assert!(said.contains("prompt 0.00001 -> 0.00003"), "{said}");
    assert!(said.contains("2026-01-01 -> 2026-02-02: 0 models more"), "{said}");
    assert!(scene.gateway.log().contains("version=2026-02-02-"));
    assert_eq!(scene.cost().await, "0.003");
    gate.open();
    let events = under_way.rest().await;
    let last = events.iter().rev().find(|event| event.contains("\"cost\"")).expect("a usage");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["usage"]["cost"].to_string(), COST);

    let gateway = scene.gateway.terminate().await.start().await;
    let reply = gateway.client(&scene.string).chat(MODEL, "hi").await;
    assert_eq!(reply.json()["usage"]["cost"].to_string(), "0.003", "after a restart, too");
}

#[tokio::test]
async fn what_is_wrong_is_told_and_changes_nothing() {
    let scene = Scene::set("").await;
    let wrong = edition("2026-02-02", "cheap");
    let said = refused(&scene.update(&wrong, &["--confirm"]).await);
    assert!(said.contains("models.jsonl: line 2: pricing.prompt"), "{said}");
    let reserved = edition("2026-02-02", PRICE).replace(MODEL, "keyway/echo");
    let said = refused(&scene.update(&reserved, &[]).await);
    assert!(said.contains("line 2: id begins with \"keyway/\""), "{said}");
    let said = refused(&scene.update("", &[]).await);
    assert!(said.contains("line 1"), "{said}");
    let said = refused(&scene.update_from("/nowhere/models.jsonl", &[]).await);
    assert!(said.contains("cannot read /nowhere/models.jsonl"), "{said}");
    let cut = edition("2026-02-02", PRICE).replace("\"models\":1", "\"models\":2");
    let said = refused(&scene.update(&cut, &[]).await);
    assert!(said.contains("says that 2 models follow, and 1 do"), "{said}");
    let not_sized = cut.replace("\"models\":2,", "");
    let said = refused(&scene.update(&not_sized, &["--confirm"]).await);
    assert!(said.contains("does not say how many models follow"), "{said}");
    assert_eq!(scene.installed(), edition("2026-01-01", PRICE));

    std::fs::write(scene.place(), &wrong).expect("written by hand");
    scene.hang_up("stay what they were").await;
    assert!(scene.gateway.log().contains("is refused: line 2: pricing.prompt"));
    assert_eq!(scene.cost().await, COST);
    // A start has nothing that could stay.
    let stopped = scene.gateway.terminate().await;
    let stopped = stopped.try_start().await.expect_err("it is refused");
    assert!(stopped.log().contains("is refused: line 2: pricing.prompt"), "{}", stopped.log());
}

#[tokio::test]
async fn a_price_leaps_only_where_somebody_confirms_it() {
    let scene = Scene::set("").await;
    let (dear, free) = (edition("2026-02-02", "0.000101"), edition("2026-02-02", "0"));
    for leap in [&dear, &free] {
        let output = scene.update(leap, &[]).await;
        assert!(refused(&output).contains("--confirm accepts"), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("! acme/fast at ollama: prompt 0.00001 -> "), "{said}");
        assert!(!said.contains('\u{1b}'), "no colours where no terminal is: {said}");
    }
    let renamed = dear.replace("\"upstream_model\":\"m\"", "\"upstream_model\":\"m-2\"");
    let said = refused(&scene.update(&renamed, &[]).await);
    assert!(said.contains("--confirm accepts"), "it reaches the same under another name: {said}");
    let looked = scene.update(&dear, &["--dry-run", "--confirm"]).await;
    assert!(looked.status.success(), "{looked:?}");
    assert_eq!(scene.installed(), edition("2026-01-01", PRICE));

    std::fs::write(scene.place(), &dear).expect("written by hand");
    scene.hang_up("stay what they were").await;
    assert!(scene.gateway.log().contains("acme/fast at ollama for one"));
    assert_eq!(scene.cost().await, COST);

    scene.updated(&dear, &["--confirm"]).await;
    assert_eq!(scene.cost().await, "0.0101");
    let gateway = scene.gateway.terminate().await.start().await;
    let reply = gateway.client(&scene.string).chat(MODEL, "hi").await;
    assert_eq!(reply.json()["usage"]["cost"].to_string(), "0.0101", "it stays confirmed");
}

#[tokio::test]
async fn what_was_put_there_by_hand_and_is_in_force_stays_so() {
    let scene = Scene::set("").await;
    for price in ["0.00009", "0.0008"] {
        let digests = scene.place().with_file_name("accepted");
        let before = std::fs::read_to_string(&digests).expect("an update wrote it");
        std::fs::write(scene.place(), edition("2026-02-02", price)).expect("written by hand");
        scene.hang_up("were read again").await;
        eventually("the digest is noted", async || {
            (std::fs::read_to_string(&digests).ok()? != before).then_some(())
        })
        .await;
    }
    // The built-in catalogue, which it would be compared with otherwise, has no such model.
    let output = scene.update(&edition("2026-03-03", "0.0009"), &["--dry-run"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("prompt 0.0008 -> 0.0009"), "{said}");
    let gateway = scene.gateway.terminate().await.start().await;
    let reply = gateway.client(&scene.string).chat(MODEL, "hi").await;
    assert_eq!(reply.json()["usage"]["cost"].to_string(), "0.08");
}

#[tokio::test]
async fn an_update_ends_no_command_that_holds_the_directory() {
    let scene = Scene::set("").await;
    let lock = scene.gateway.data_dir().join("keyway.lock");
    let said = std::fs::read_to_string(&lock).expect("it is held");
    assert!(said.starts_with("keyway gateway process "), "{said}");
    std::fs::write(&lock, said.replace("gateway", "command")).expect("as a command writes it");
    let before = scene.said("the catalogue is in force");
    let output = scene.update(&edition("2026-02-02", "0.00002"), &[]).await;
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("No gateway of this machine holds"), "{told}");
    assert_eq!(scene.said("the catalogue is in force"), before);
}

#[tokio::test]
async fn a_catalogue_is_fetched_from_where_it_may_be() {
    let scene = Scene::set("").await;
    let server = Provider::start().await;
    let url = format!("{}/models.jsonl?token=planted", server.base_url);
    let port = server.base_url.trim_end_matches("/v1").rsplit(':').next().expect("a port");
    let answer =
        |status, headers, body: &str| Script::Answer { status, headers, body: body.into() };
    let elsewhere = vec![("location", scene.provider.base_url.clone())];
    for (script, words) in [
        (answer(302, elsewhere, ""), "redirects are not followed"),
        (answer(404, vec![], ""), "answered 404"),
        (answer(200, vec![], "<html>"), "what was fetched: line 1"),
        (Script::Stream { pieces: vec![(Duration::ZERO, "{".into())], breaks: true }, "broke off"),
    ] {
        server.then(script);
        let said = refused(&scene.update_from(&url, &[]).await);
        assert!(said.contains(words) && !said.contains("planted"), "{said}");
    }
    let asked = server.received().len();
    for (url, options, words) in [
        (format!("http://2130706433:{port}/models.jsonl"), &[][..], "has to begin with https://"),
        // Nobody may reach where clouds tell machines their secrets.
        ("https://169.254.169.254/".to_owned(), &["--allow-private"], "may not be connected to"),
        (format!("https://127.0.0.1:{port}/"), &[], "cannot be reached"),
        ("https://user:planted@127.0.0.1/".to_owned(), &[], "without credentials"),
    ] {
        let said = refused(&scene.update_from(&url, options).await);
        assert!(said.contains(words) && !said.contains("planted"), "{said}");
    }
    assert_eq!(server.received().len(), asked);
    assert_eq!(scene.installed(), edition("2026-01-01", PRICE));

    let before = scene.said("the catalogue is in force");
    server.then(answer(200, vec![], &edition("2026-03-03", "0.00002")));
    let output = scene.update_from(&url, &[]).await;
    assert!(output.status.success(), "{output:?}");
    scene.says_again("the catalogue is in force", before).await;
    assert_eq!(scene.cost().await, "0.002");
}

/// The text of a configuration with one model at `provider`.
fn configured(slug: &str, at: &str, prompt: &str) -> String {
    format!(
        "[[providers]]\nslug = \"{slug}\"\ndialect = \"openai\"\nbase_url = \"BASE_URL\"\n[[models]]\n\
         id = \"own/model\"\ncontext_length = 8000\nmax_completion_tokens = 9\n[[models.endpoints]]\n\
         provider = \"{at}\"\nupstream_model = \"m\"\n\
         pricing = {{ prompt = \"{prompt}\", completion = \"0\" }}\n"
    )
}

#[tokio::test]
async fn a_hang_up_reads_the_models_of_the_configuration_again() {
    let mut scene = Scene::set(&configured("own", "own", "0.000001")).await;
    let url = scene.provider.base_url.clone();
    let write = |scene: &mut Scene, toml: &str| {
        scene.gateway.configure(&toml.replace("BASE_URL", &url));
    };
    let cost = async |scene: &Scene| {
        let reply = scene.client.chat("own/model", "hi").await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()["usage"]["cost"].to_string()
    };
    assert_eq!(cost(&scene).await, "0.0001");
    // What the operator writes is compared with nothing.
    write(&mut scene, &configured("own", "own", "0.001"));
    scene.hang_up("the catalogue is in force").await;
    assert_eq!(cost(&scene).await, "0.1");
    for (wrong, words) in [
        (configured("own", "own", "dear"), "pricing.prompt: "),
        (
            configured("new", "new", "0"),
            "the provider \"new\", which this gateway was started without",
        ),
        (
            configured("own", "own", "0").replace("BASE_URL", "https://elsewhere.example"),
            "base_url of the provider \"own\" is not what this gateway was started with",
        ),
    ] {
        write(&mut scene, &wrong);
        scene.hang_up("stay what they were").await;
        assert!(scene.gateway.log().contains(words), "{words}");
        assert_eq!(cost(&scene).await, "0.1");
    }
    scene.gateway.remove_configuration();
    scene.hang_up("stay what they were").await;
    assert!(scene.gateway.log().contains("keyway.toml: cannot be opened"));
    assert_eq!(cost(&scene).await, "0.1");
    write(
        &mut scene,
        &format!("[limits]\nrequests_per_minute = 9\n{}", configured("own", "own", "0.002")),
    );
    scene.hang_up("what [limits] says otherwise now takes effect at the next start").await;
    assert_eq!(cost(&scene).await, "0.2");
}

#[tokio::test]
async fn the_catalogue_that_a_start_would_put_in_force_is_shown() {
    let show = async |data_dir: &Path, variable: (&str, &str)| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_keyway"));
        command.args(["catalogue", "show", "--data-dir"]).arg(data_dir).env(variable.0, variable.1);
        let output = command.current_dir(data_dir).output().await.expect("the binary runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let scene = Scene::set("").await;
    let shown = show(scene.gateway.data_dir(), ("OLLAMA_HOST", "127.0.0.1")).await;
    for words in ["2026-01-01", "models.jsonl", "a test 1", "1 at 1 providers", "2 at 2 providers"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let version = shown.lines().find_map(|line| line.strip_prefix("version")).expect("a version");
    assert!(scene.gateway.log().contains(&format!("version={}", version.trim())), "{shown}");
    let shown = show(scene.files.path(), ("GROQ_API_KEY", "planted")).await;
    assert!(shown.contains("built in") && shown.contains("PyPI litellm"), "{shown}");
}
