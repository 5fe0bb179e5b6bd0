//! What servers of OpenAI's dialect want otherwise, as data: a row each.

use super::reasoning::Ask;
use crate::chat::Effort;

/// How one server differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Quirks {
    /// As the configuration has it.
    pub name: &'static str,
    /// Where it is served, and how the address ends there. A dot before a host stands for any name.
    at: &'static [(&'static str, &'static str)],
    pub(super) path: Path,
    /// Its credential goes into the header `api-key` in place of `authorization`.
    pub(super) api_key_header: bool,
    pub(super) bound: Bound,
    /// Fields that it does not take, where others ignore them.
    pub(super) refuses: &'static [&'static str],
    /// Fields with another name there.
    pub(super) renames: &'static [(&'static str, &'static str)],
    pub(super) messages: Messages,
    /// Whether a stream has to be asked for its usage; where not, it is told anyway.
    pub(super) stream_options: bool,
    pub(super) reasoning: Ask,
    /// Whether it has the Responses API as OpenAI has it.
    pub(super) responses: bool,
    /// When it is told a prompt to continue in those words, and where.
    pub(super) completions: (When, &'static str),
    /// Fields for the gateway that it knows as well.
    pub(super) keeps: &'static [&'static str],
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    Plain,
    /// Azure's deployments: the model stands in the path, this version behind it.
    Deployment {
        api_version: &'static str,
    },
}

/// When a server is told a prompt to continue as it is, and not as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// It has no such thing.
    Never,
    /// Where a message cannot say it: most of its models only talk.
    Needed,
    Always,
}

/// The field that bounds an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// As the client said it.
    Said,
    MaxTokens,
    MaxCompletionTokens,
}

/// What becomes of the fields of messages that OpenAI does not have: reasoning, and marks for caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    Kept,
    Stripped,
    /// Stripped, but for the reasoning as text, which goes back as `reasoning_content`.
    Reasoning,
}

/// OpenRouter's parameters of sampling, which OpenAI refuses.
const SAMPLING: &[&str] = &["top_k", "top_a", "min_p", "repetition_penalty"];
const UP_TO_HIGH: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High];
const NONE_TO_HIGH: &[Effort] = &[Effort::None, Effort::Low, Effort::Medium, Effort::High];
const NONE_TO_XHIGH: &[Effort] =
    &[Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh];

/// A server that nothing is known of: it is sent what the client said.
const PLAIN: Quirks = Quirks {
    name: "plain",
    at: &[],
    path: Path::Plain,
    api_key_header: false,
    bound: Bound::Said,
    refuses: &[],
    renames: &[],
    messages: Messages::Kept,
    stream_options: true,
    reasoning: Ask::Said,
    responses: false,
    completions: (When::Needed, "/completions"),
    keeps: &[],
};

const OPENAI: Quirks = Quirks {
    name: "openai",
    at: &[("api.openai.com", "")],
    bound: Bound::MaxCompletionTokens,
    refuses: SAMPLING,
    messages: Messages::Stripped,
    reasoning: Ask::Effort(NONE_TO_XHIGH),
    responses: true,
    ..PLAIN
};

const AZURE: &[(&str, &str)] = &[
    (".openai.azure.com", "/v1"),
    (".cognitiveservices.azure.com", "/v1"),
    (".services.ai.azure.com", "/v1"),
];
const AZURE_DEPLOYMENTS: &[(&str, &str)] = &[
    (".openai.azure.com", "/openai"),
    (".cognitiveservices.azure.com", "/openai"),
    (".services.ai.azure.com", "/openai"),
];

static ALL: [Quirks; 18] = [
    PLAIN,
    OPENAI,
    Quirks {
        name: "openrouter",
        at: &[("openrouter.ai", "")],
        responses: true,
        // What would choose another model, or buy something besides, stays here: it was not reserved for.
        keeps: &["provider", "transforms", "image_config", "cache_control", "session_id", "usage"],
        ..PLAIN
    },
    Quirks { name: "azure", at: AZURE, api_key_header: true, ..OPENAI },
    Quirks {
        name: "azure-deployments",
        at: AZURE_DEPLOYMENTS,
        path: Path::Deployment { api_version: "2024-10-21" },
        api_key_header: true,
        responses: false,
        ..OPENAI
    },
    Quirks {
        name: "groq",
        completions: (When::Never, ""),
        at: &[("api.groq.com", "")],
        bound: Bound::MaxCompletionTokens,
        refuses: &[
            "logprobs",
            "top_logprobs",
            "logit_bias",
            "top_k",
            "top_a",
            "min_p",
            "repetition_penalty",
            "verbosity",
            "prediction",
        ],
        messages: Messages::Stripped,
        reasoning: Ask::Effort(UP_TO_HIGH),
        ..PLAIN
    },
    Quirks {
        name: "together",
        completions: (When::Always, "/completions"),
        at: &[("api.together.xyz", ""), ("api.together.ai", "")],
        bound: Bound::MaxTokens,
        refuses: &["top_a"],
        messages: Messages::Stripped,
        reasoning: Ask::Effort(UP_TO_HIGH),
        ..PLAIN
    },
    Quirks {
        name: "fireworks",
        completions: (When::Always, "/completions"),
        at: &[("api.fireworks.ai", "")],
        bound: Bound::MaxTokens,
        refuses: &["top_a"],
        messages: Messages::Reasoning,
        reasoning: Ask::Effort(NONE_TO_HIGH),
        ..PLAIN
    },
    Quirks {
        name: "deepseek",
        completions: (When::Needed, "/beta/completions"),
        at: &[("api.deepseek.com", "")],
        bound: Bound::MaxTokens,
        refuses: SAMPLING,
        // It wants to hear what it thought before it called a tool.
        messages: Messages::Reasoning,
        reasoning: Ask::Thinking,
        ..PLAIN
    },
    Quirks {
        name: "xai",
        completions: (When::Never, ""),
        at: &[("api.x.ai", "")],
        bound: Bound::MaxCompletionTokens,
        refuses: &["top_k", "top_a", "min_p", "repetition_penalty", "logit_bias"],
        messages: Messages::Stripped,
        reasoning: Ask::Effort(UP_TO_HIGH),
        ..PLAIN
    },
    Quirks {
        name: "mistral",
        completions: (When::Never, ""),
        at: &[("api.mistral.ai", ""), ("codestral.mistral.ai", "")],
        bound: Bound::MaxTokens,
        refuses: &[
            "top_k",
            "top_a",
            "min_p",
            "repetition_penalty",
            "logit_bias",
            "logprobs",
            "top_logprobs",
            "user",
            "service_tier",
            "verbosity",
            "modalities",
            "prompt_cache_key",
        ],
        renames: &[("seed", "random_seed")],
        messages: Messages::Stripped,
        stream_options: false,
        reasoning: Ask::Nothing,
        ..PLAIN
    },
    Quirks {
        name: "cerebras",
        at: &[("api.cerebras.ai", "")],
        bound: Bound::MaxCompletionTokens,
        refuses: &[
            "top_k",
            "top_a",
            "min_p",
            "repetition_penalty",
            "frequency_penalty",
            "presence_penalty",
            "logit_bias",
        ],
        messages: Messages::Stripped,
        reasoning: Ask::Effort(UP_TO_HIGH),
        ..PLAIN
    },
    Quirks {
        name: "perplexity",
        completions: (When::Never, ""),
        at: &[("api.perplexity.ai", "")],
        bound: Bound::MaxTokens,
        refuses: &["top_a", "min_p", "repetition_penalty", "logit_bias", "parallel_tool_calls"],
        messages: Messages::Stripped,
        stream_options: false,
        reasoning: Ask::Effort(UP_TO_HIGH),
        ..PLAIN
    },
    Quirks {
        name: "moonshot",
        completions: (When::Never, ""),
        at: &[("api.moonshot.ai", ""), ("api.moonshot.cn", "")],
        bound: Bound::MaxTokens,
        refuses: SAMPLING,
        messages: Messages::Reasoning,
        reasoning: Ask::Thinking,
        ..PLAIN
    },
    Quirks {
        name: "vllm",
        completions: (When::Always, "/completions"),
        bound: Bound::MaxTokens,
        reasoning: Ask::Template,
        ..PLAIN
    },
    Quirks {
        name: "llama.cpp",
        completions: (When::Always, "/completions"),
        bound: Bound::MaxTokens,
        reasoning: Ask::Template,
        ..PLAIN
    },
    Quirks {
        name: "ollama",
        completions: (When::Always, "/completions"),
        bound: Bound::MaxTokens,
        messages: Messages::Stripped,
        reasoning: Ask::Effort(NONE_TO_HIGH),
        ..PLAIN
    },
    Quirks {
        name: "lmstudio",
        completions: (When::Always, "/completions"),
        bound: Bound::MaxTokens,
        messages: Messages::Stripped,
        reasoning: Ask::Effort(UP_TO_HIGH),
        ..PLAIN
    },
];

impl Quirks {
    /// Every row's name.
    pub const NAMES: &'static [&'static str] = &[
        "plain",
        "openai",
        "openrouter",
        "azure",
        "azure-deployments",
        "groq",
        "together",
        "fireworks",
        "deepseek",
        "xai",
        "mistral",
        "cerebras",
        "perplexity",
        "moonshot",
        "vllm",
        "llama.cpp",
        "ollama",
        "lmstudio",
    ];

    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|quirks| quirks.name == name)
    }

    /// Those of the server at `base_url`, which has no slash at its end.
    pub fn at(base_url: &str) -> &'static Self {
        let place = base_url.split_once("://").map_or(base_url, |(_, place)| place);
        let authority = place.split('/').next().unwrap_or_default();
        let host = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let serves = |(name, end): &(&str, &str)| {
            let named = if name.starts_with('.') { host.ends_with(name) } else { host == *name };
            named && base_url.ends_with(end)
        };
        ALL.iter().find(|quirks| quirks.at.iter().any(serves)).unwrap_or(&ALL[0])
    }

    /// Whether its credential goes into the header `api-key`.
    pub const fn wants_api_key_header(&self) -> bool {
        self.api_key_header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_name_and_place() {
        let names: Vec<&str> = ALL.iter().map(|quirks| quirks.name).collect();
        assert_eq!(names, Quirks::NAMES);
        let cases = [
            ("https://api.openai.com/v1", "openai"),
            ("https://API.OpenAI.com:443/v1", "openai"),
            ("https://openrouter.ai/api/v1", "openrouter"),
            ("https://mine.openai.azure.com/openai/v1", "azure"),
            ("https://mine.openai.azure.com/openai", "azure-deployments"),
            ("https://api.groq.com/openai/v1", "groq"),
            ("https://api.moonshot.cn/v1", "moonshot"),
            ("https://openrouter.ai.example/api/v1", "plain"),
            ("https://notopenai.azure.com/openai/v1", "plain"),
            ("http://127.0.0.1:11434/v1", "plain"),
            ("http://[::1]:8000/v1", "plain"),
        ];
        for (base_url, name) in cases {
            assert_eq!(Quirks::at(base_url).name, name, "{base_url}");
        }
    }
}
