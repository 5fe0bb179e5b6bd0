"""docs/compatibility.md, held against the reference description and against what the gateway does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from administration import Administration
from gateway import Gateway
from provider import Provider

PAGE = Path(__file__).parent.parent.parent / "docs/compatibility.md"
FIELDS = re.compile(r"^\| (`[^|]+`) \| (?:told|null) \|", flags=re.MULTILINE)
NOT_SERVED = "\n## Not served\n"
ROW = re.compile(r"\| `([^`]+)` \| (used|both|sent|no effect|refused) \|")
# Operations that ask a model or tell of one, by the first words of their paths.
IN_SCOPE = (
    "/activity", "/byok", "/chat/completions", "/credits", "/embeddings", "/generation", "/messages", "/model",
    "/parameters", "/providers", "/rerank", "/responses",
)  # fmt: skip
OPENAI_TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}

# What each parameter is tried with. Whatever is not here is tried in every request.
CHAT: dict[str, Any] = {
    "models": ["scripted/model"],
    "provider": {"allow_fallbacks": True},
    "route": "fallback",
    "stream": False,
    "max_tokens": 9,
    "max_completion_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "top_a": 0.5,
    "min_p": 0.1,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "repetition_penalty": 1.1,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "seed": 7,
    "stop": ["end"],
    "response_format": {"type": "json_object"},
    "tools": [OPENAI_TOOL],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "hello"},
    "reasoning": {"effort": "low"},
    "reasoning_effort": "low",
    "modalities": ["text"],
    "metadata": {"a": "b"},
    "user": "u",
    "service_tier": "default",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit"},
    "session_id": "s",
    "cache_control": {"type": "ephemeral"},
    "plugins": [{"id": "web"}],
    "image_config": {"aspect_ratio": "1:1"},
    "stop_server_tools_when": [{"type": "max_cost", "max_cost_in_dollars": 1}],
    "debug": {"echo_upstream_body": True},
    "trace": {"trace_id": "t"},
}


def description(contract_dir: Path) -> dict[str, Any]:
    with (contract_dir / "openrouter-openapi.yaml").open("rb") as file:
        document: dict[str, Any] = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return document


def described(contract_dir: Path) -> dict[str, set[str]]:
    """The operations in scope, each with its parameters and the fields of its body."""
    document = description(contract_dir)

    def resolved(node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            at: Any = document
            for segment in node["$ref"].removeprefix("#/").split("/"):
                at = at[segment]
            node = at
        return node

    def fields(schema: dict[str, Any]) -> Iterator[str]:
        schema = resolved(schema)
        yield from schema.get("properties", {})
        for part in schema.get("allOf", []) + schema.get("oneOf", []) + schema.get("anyOf", []):
            yield from fields(part)

    found = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not path.startswith(IN_SCOPE) or not isinstance(operation, dict):
                continue
            parameters = [resolved(parameter) for parameter in operation.get("parameters", [])]
            names = {parameter["name"] for parameter in parameters if parameter["in"] != "path"}
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            names.update(fields(content.get("schema", {})))
            found[f"{method.upper()} {path}"] = names
    return found


def page() -> dict[str, dict[str, str]]:
    """What the page says of each parameter, by operation."""
    sections = re.split(r"^## ", PAGE.read_text().split(NOT_SERVED)[0], flags=re.MULTILINE)[1:]
    return {section.splitlines()[0].strip(): dict(ROW.findall(section)) for section in sections}


def not_served() -> set[str]:
    """The operations that the page owns up to."""
    return set(re.findall(r"^\* `([^`]+)`", PAGE.read_text().split(NOT_SERVED)[1], flags=re.MULTILINE))


def test_every_operation_and_parameter_has_its_row(contract_dir: Path) -> None:
    expected = described(contract_dir)
    told = page()
    assert sorted(expected.keys() - told.keys() - not_served()) == [], "operations without a section"
    for operation, parameters in expected.items():
        if operation not in told:
            continue
        assert sorted(parameters - told[operation].keys()) == [], f"{operation}: parameters without a row"
        assert sorted(told[operation].keys() - parameters) == [], f"{operation}: rows without a parameter"


def test_every_field_of_a_generation_has_its_row(contract_dir: Path) -> None:
    schema = description(contract_dir)["components"]["schemas"]["GenerationResponse"]
    section = PAGE.read_text().split("\n## GET /generation\n")[1].split("\n## ")[0]
    told = {field for row in FIELDS.findall(section) for field in re.findall(r"`([^`]+)`", row)}
    assert told == schema["properties"]["data"]["properties"].keys()


def test_the_page_knows_what_is_served(gateway: Gateway) -> None:
    served = requests.get(f"{gateway.url}/api/v1/openapi.json", timeout=10).json()["paths"]
    for operation in page():
        method, path = operation.split()
        assert method.lower() in served.get(f"/api/v1{path}", {}), f"{operation} is not served"
    for operation in not_served():
        method, path = operation.split()
        assert method.lower() not in served.get(f"/api/v1{path}", {}), f"{operation} is served"


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, str]]:
    return page()


@pytest.mark.parametrize("field", CHAT)
def test_what_becomes_of_a_chat_parameter(
    field: str,
    rows: dict[str, dict[str, str]],
    provider: Provider,
    gateway: Gateway,
    administration: Administration,
) -> None:
    key = administration.create(f"tries {field}").string
    body = {"model": "scripted/model", "messages": [{"role": "user", "content": "Hello"}], field: CHAT[field]}
    before = len(provider.received)
    answer = requests.post(
        f"{gateway.url}/api/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60
    )
    becomes = rows["POST /chat/completions"][field]
    if becomes == "refused":
        assert answer.status_code == 400, answer.text
        return
    assert answer.status_code == 200, answer.text
    [received] = provider.received[before:]
    if becomes in ("sent", "both"):
        assert received[field] == CHAT[field]
    else:
        assert field not in received


def test_every_chat_parameter_is_tried(rows: dict[str, dict[str, str]]) -> None:
    always = {"X-OpenRouter-Metadata", "messages", "model", "stream_options"}
    assert set(CHAT) == rows["POST /chat/completions"].keys() - always
