"""Every call that the packages offer for what Keyway serves is tried by a test; a new one is noticed."""

import re
from pathlib import Path

import pytest

from node import Node
from packages import NAMES, opened

HERE = Path(__file__).parent
NAMED = re.compile(r'"((?:[a-z0-9_]+\.)+[a-z0-9_]+)"')
# What begins with these is in scope.
SERVED = {
    "openai": ("chat", "completions", "embeddings", "models", "responses"),
    "anthropic": ("messages", "models", "beta.messages", "beta.models"),
    "openrouter": (
        "analytics", "api_keys", "beta", "byok", "chat", "completions", "credits", "embeddings", "endpoints",
        "generations", "models", "parameters", "providers", "rerank", "responses",
    ),
}  # fmt: skip
# Why the rest of it is not.
NOT_SERVED = {
    "openai": {
        "nothing is kept": (
            "chat.completions.delete", "chat.completions.list", "chat.completions.retrieve", "chat.completions.update",
            "chat.completions.messages.list", "responses.cancel", "responses.compact", "responses.delete",
            "responses.retrieve", "responses.input_items.list", "responses.input_tokens.count", "models.delete",
        ),
        "OpenRouter has no such route": ("models.retrieve",),
        "speaks over a web socket": ("responses.connect",),
        "calls functions of the program: in node/agents.mjs": ("chat.completions.run_tools",),
    },
    "anthropic": {
        "nothing is kept": tuple(
            f"{at}messages.batches.{verb}"
            for at in ("", "beta.")
            for verb in ("cancel", "create", "delete", "list", "results", "retrieve")
        ),
        "OpenRouter has no such route": ("models.retrieve", "beta.models.retrieve"),
        "calls functions of the program: in node/agents.mjs": ("beta.messages.tool_runner", "beta.messages.thread"),
    },
    "openrouter": {
        "not in the scope of this version": (
            "analytics.get_analytics_meta", "analytics.query_analytics", "generations.submit_feedback",
            "endpoints.list_zdr_endpoints", "credits.create_coinbase_charge",
        ),
    },
}  # fmt: skip


def tried(family: str) -> set[str]:
    """Every method that a test of these packages names."""
    files = [*HERE.glob("test_*.py"), HERE / "sdks.py"]
    texts = [file.read_text() for file in files if file.name != Path(__file__).name]
    return {name for text in texts if family in text.lower() for name in NAMED.findall(text)}


@pytest.mark.parametrize("name", NAMES)
def test_every_call_is_tried_or_said_not_to_be_served(name: str, node: Node) -> None:
    family = name.split()[1]
    offered = opened(name, node, "http://127.0.0.1:1/api/v1").offers()
    in_scope = {method for method in offered if method.startswith(tuple(f"{part}." for part in SERVED[family]))}
    assert len(in_scope) > 5, "the package has hidden what it offers"
    left_out = {method for methods in NOT_SERVED[family].values() for method in methods}
    assert sorted(in_scope - left_out - tried(family)) == []


def test_what_the_ai_sdk_makes_models_of_is_known(node: Node) -> None:
    offered = set(node.call("ai", "offers", "http://127.0.0.1:1/api/v1", "none"))
    tried_here = {"chat", "completion", "textEmbeddingModel"}
    the_same = {"languageModel", "embedding"}
    not_served = {"imageModel", "videoModel", "evaluationModel", "tools"}
    assert offered == tried_here | the_same | not_served
