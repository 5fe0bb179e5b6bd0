//! What a configuration may say of providers, models and endpoints.

use keyway_core::catalogue::{DataCollection, Modality, Quantization};
use keyway_providers::openai::Quirks;

use super::description::{
    DIALECTS, Field, Kind, Least, Presence, SERVICE_TIERS, Section, TOKENS_MAX,
};
use super::timeouts::{PATIENCE, TIMEOUTS};
use super::{pricing, rules};

/// Of what a provider is sent at once; more is a typing error.
const REQUESTS_MAX: u64 = 1_000_000;

pub(super) static PROVIDER: Section = Section {
    doc: "An upstream that serves models.",
    fields: &[
        Field {
            name: "slug",
            doc: "Its name in this file and in the API. \"keyway\" is reserved.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::SLUG),
        },
        Field {
            name: "name",
            doc: "Its name for people; the slug where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::NAME),
        },
        Field {
            name: "dialect",
            doc: "The API that it speaks: OpenAI's chat completions, Anthropic's Messages (its own, Vertex's), Google's generateContent (AI Studio, Vertex), Amazon Bedrock's Converse, or Cohere's Chat (version 2).",
            presence: Presence::Required,
            kind: Kind::Choice(DIALECTS),
        },
        Field {
            name: "base_url",
            doc: "What its routes stand under, such as \"https://api.example.com/v1\". Vertex and Bedrock may say region in its place; all others have to say it.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::URL),
        },
        Field {
            name: "region",
            doc: "Where Bedrock or Vertex is asked, such as \"us-east-1\" or \"global\": base_url follows from it.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::PLACE),
        },
        Field {
            name: "project",
            doc: "Whose project Vertex is asked for, beside region.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::PLACE),
        },
        Field {
            name: "api_key",
            doc: "Its credential: \"env:NAME\", \"file:PATH\" (relative to this file), or the key itself, which is better not kept here. Absent sends none.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::SECRET_SOURCE),
        },
        Field {
            name: "quirks",
            doc: "What of OpenAI's dialect its server wants otherwise, by the server's name; found by base_url where absent. Other dialects have none.",
            presence: Presence::Optional,
            kind: Kind::Choice(Quirks::NAMES),
        },
        Field {
            name: "token_url",
            doc: "Where access tokens for a service account of Vertex are had; Google's server where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::URL),
        },
        Field {
            name: "timeouts",
            doc: "How long it may take.",
            presence: Presence::Optional,
            kind: Kind::Section(&TIMEOUTS),
        },
        Field {
            name: "http2",
            doc: "Whether HTTP/2 is spoken with it where it offers that over TLS; true where absent.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "requests_max",
            doc: "Requests that it is sent at once, each until its answer ended; absent is as many as come. Further ones wait a second for one of them to end, and only a moment where others always wait; then they go to another endpoint, or are answered 503.",
            presence: Presence::Optional,
            kind: Kind::Count(REQUESTS_MAX),
        },
        Field {
            name: "allow_private",
            doc: "Whether the name in base_url may lead into a private network; false where absent. An address that is written out, and localhost, may anyway.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "abort_stops_billing",
            doc: "Whether it bills nothing of a streamed answer that is broken off before its end but what it sent by then; false where absent. If so, a stream whose whole bound does not fit its budget is admitted all the same, and ended where the budget ends.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "trust_provider_cost",
            doc: "Whether what it says itself that an answer costs (usage.cost, as OpenRouter does) is charged in place of what the prices here come to; false where absent. Prices still bound what is reserved; a key without a limit is charged it at endpoints without a price as well.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "pass_traceparent",
            doc: "Whether it is told which trace a request belongs to (W3C traceparent), where requests are traced; false where absent.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "data_collection",
            doc: "\"deny\" where it neither keeps what it is sent beyond the request nor trains on it; \"allow\" where absent. Requests may ask for providers that deny.",
            presence: Presence::Optional,
            kind: Kind::Choice(DataCollection::WORDS),
        },
        Field {
            name: "zdr",
            doc: "Whether it retains nothing at all of what it is sent (zero data retention); false where absent.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
    ],
};

pub(super) static MODEL: Section = Section {
    doc: "A model as clients name it.",
    fields: &[
        Field {
            name: "id",
            doc: "What clients ask for, \"author/slug\". \"keyway/...\" is reserved.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::MODEL_ID),
        },
        Field {
            name: "name",
            doc: "Its name for people; the id where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::NAME),
        },
        Field {
            name: "context_length",
            doc: "Tokens of prompt and completion together.",
            presence: Presence::Required,
            kind: Kind::Count(TOKENS_MAX),
        },
        Field {
            name: "max_completion_tokens",
            doc: "Most tokens of one completion; the context length where absent. It bounds what a request without max_tokens reserves.",
            presence: Presence::Optional,
            kind: Kind::Count(TOKENS_MAX),
        },
        Field {
            name: "distillable",
            doc: "Whether its author allows other models to be trained on what it says; false where absent.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "input_modalities",
            doc: "What it reads; text where absent.",
            presence: Presence::Optional,
            kind: Kind::Choices(Modality::WORDS),
        },
        Field {
            name: "output_modalities",
            doc: "What it answers with; text where absent.",
            presence: Presence::Optional,
            kind: Kind::Choices(Modality::WORDS),
        },
        Field {
            name: "expiration_date",
            doc: "The day on which its provider withdraws it.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::DAY),
        },
        Field {
            name: "endpoints",
            doc: "The providers that serve it. A request is sent to the healthy ones by the inverse square of their prices, unless it says otherwise, and to another where one fails.",
            presence: Presence::Required,
            kind: Kind::List(&ENDPOINT, Least::One),
        },
    ],
};

static ENDPOINT: Section = Section {
    doc: "One model at one provider, with its price.",
    fields: &[
        Field {
            name: "provider",
            doc: "The slug of one of the providers in this file.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::SLUG),
        },
        Field {
            name: "upstream_model",
            doc: "What the provider calls the model.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::NAME),
        },
        Field {
            name: "pricing",
            doc: "What the provider charges. Where it is absent nobody knows: then no key with a limit may use the endpoint.",
            presence: Presence::Optional,
            kind: Kind::Section(&pricing::PRICING),
        },
        Field {
            name: "variant",
            doc: "What tells it from the provider's other endpoints of the model: requests name it \"provider/variant\".",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::SLUG),
        },
        Field {
            name: "service_tier",
            doc: "Where it serves only requests that ask for this tier.",
            presence: Presence::Optional,
            kind: Kind::Choice(SERVICE_TIERS),
        },
        Field {
            name: "quantization",
            doc: "How the provider stores the model's weights; \"unknown\" where absent.",
            presence: Presence::Optional,
            kind: Kind::Choice(Quantization::WORDS),
        },
        Field {
            name: "data_collection",
            doc: "As in the provider's section, for this endpoint.",
            presence: Presence::Optional,
            kind: Kind::Choice(DataCollection::WORDS),
        },
        Field {
            name: "zdr",
            doc: "As in the provider's section, for this endpoint.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "supported_parameters",
            doc: "Fields of a request that it heeds, such as \"tools\" and \"response_format\". Absent is not known: then a request that requires its parameters is not sent to it.",
            presence: Presence::Optional,
            kind: Kind::Texts(&rules::PARAMETER),
        },
        Field {
            name: "context_length",
            doc: "Tokens of prompt and completion together, where they are fewer than the model's.",
            presence: Presence::Optional,
            kind: Kind::Count(TOKENS_MAX),
        },
        Field {
            name: "max_completion_tokens",
            doc: "Most tokens of one completion, where they are fewer than the model's. Requests for more are not sent to it.",
            presence: Presence::Optional,
            kind: Kind::Count(TOKENS_MAX),
        },
        Field {
            name: "timeouts",
            doc: "How long it may take, where that is otherwise than at its provider.",
            presence: Presence::Optional,
            kind: Kind::Section(&PATIENCE),
        },
    ],
};
