//! LiteLLM's proxy: it checks a key, and nothing else is on.

use std::path::Path;

use super::program::{Program, unused_authority};

pub(super) const KEY: &str = "sk-bench-0123456789";
/// One for each processor of the machine that the figures are for.
const WORKERS: &str = "2";

pub(super) async fn start(binary: &Path, provider: &str) -> Program {
    let place = tempfile::tempdir().expect("a directory");
    let authority = unused_authority();
    let config = format!(
        "model_list:\n  - model_name: {model}\n    litellm_params:\n      \
         model: openai/{model}\n      api_base: http://{provider}/v1\n      api_key: none\n\
         general_settings:\n  master_key: {KEY}\nlitellm_settings:\n  telemetry: false\n",
        model = super::UPSTREAM_MODEL,
    );
    std::fs::write(place.path().join("litellm.yaml"), config).expect("a configuration");
    let (host, port) = authority.clone().split_once(':').map(owned).expect("a host and a port");
    let arguments =
        ["--host", &host, "--port", &port, "--num_workers", WORKERS, "--config", "litellm.yaml"];
    Program::start(binary, authority, place, &arguments).await
}

fn owned((host, port): (&str, &str)) -> (String, String) {
    (host.to_owned(), port.to_owned())
}
