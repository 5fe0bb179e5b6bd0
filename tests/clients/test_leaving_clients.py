"""Clients that leave in the middle of a stream: what the provider bills is charged, and nothing hangs.

They go past the recorder, which takes an answer that breaks off for a mistake.
"""

import time
from typing import Any

import pytest

import provider
from administration import Administration, Key
from gateway import Gateway
from node import Node
from packages import opened

CHARGE_SECONDS_MAX = 30
MODEL = "scripted/model"
MESSAGES = {"model": MODEL, "max_tokens": 300, "messages": [{"role": "user", "content": "#long"}]}
INPUT = {"model": MODEL, "max_output_tokens": 300, "input": "#long"}
PROMPT = {"model": MODEL, "max_tokens": 300, "prompt": "#long"}
# Every call that streams, of every package.
STREAMS: list[tuple[str, str, dict[str, Any]]] = [
    ("openai", "chat.completions.create", MESSAGES),
    ("openai", "completions.create", PROMPT),
    ("openai", "responses.create", INPUT),
    ("anthropic", "messages.create", MESSAGES),
    ("anthropic", "beta.messages.create", MESSAGES),
    ("openrouter", "chat.send", MESSAGES),
    ("openrouter", "responses.send", INPUT),
]
AFTER = 5


def charged(administration: Administration, key: Key) -> str:
    """What the key was charged, once that is known."""
    deadline = time.monotonic() + CHARGE_SECONDS_MAX
    while not (spent := administration.find(key.hash)["usage"]):
        assert time.monotonic() < deadline, "nothing was charged"
        time.sleep(0.05)
    return str(spent)


@pytest.mark.parametrize("package", ["npm", "PyPI"])
@pytest.mark.parametrize(("client", "method", "request_"), STREAMS, ids=[f"{one[0]}-{one[1]}" for one in STREAMS])
def test_who_leaves_is_charged_what_the_provider_bills(
    package: str,
    client: str,
    method: str,
    request_: dict[str, Any],
    node: Node,
    gateway: Gateway,
    administration: Administration,
) -> None:
    key = administration.create("left", limit=1)
    left = opened(f"{package} {client}", node, f"{gateway.url}/api/v1")
    assert left.leave(key.string, method, AFTER, **request_) == AFTER
    assert charged(administration, key) == provider.COST
    aborted = administration.create("aborted", limit=1)
    assert left.abort(aborted.string, method, AFTER, **request_) >= AFTER
    assert charged(administration, aborted) == provider.COST


def test_who_leaves_by_the_ai_sdk_is_charged_too(
    node: Node, gateway: Gateway, administration: Administration
) -> None:
    key = administration.create("left", limit=1)
    request = {"model": MODEL, "prompt": "#long"}
    assert node.call("ai", "leave", f"{gateway.url}/api/v1", key.string, request, AFTER) == AFTER
    assert charged(administration, key) == provider.COST
