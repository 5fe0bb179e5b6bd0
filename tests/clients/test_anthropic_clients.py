"""The `anthropic` packages of npm and PyPI, with nothing but their base URL changed, before a provider of OpenAI's."""

from typing import Any

import pytest

import provider
from administration import Administration
from node import Node
from package import Package, Refused
from packages import opened
from recorder import Recorder
from sdk_suite import UNKNOWN_KEY

CREATE = "messages.create"
# Each way in which the packages ask, plain and by events that they add up themselves.
EACH_WAY = pytest.mark.parametrize(
    "method", ["messages.create", "messages.stream", "beta.messages.create", "beta.messages.stream"]
)
MODEL = "scripted/model"
TOOL = {
    "name": "weather",
    "description": "The weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PICTURE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
SAID = "".join(provider.SAID)


@pytest.fixture(params=["npm anthropic", "PyPI anthropic"])
def client(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> Package:
    return opened(request.param, node, recorder.api)


def asked(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": content}]} | more


def ask(client: Package, key: str, method: str, **request: Any) -> dict[str, Any]:
    return (client.added_up if method.endswith("stream") else client.call)(key, method, **request)


def test_a_message_is_charged_as_told(client: Package, administration: Administration) -> None:
    key = administration.create("plain")
    message = client.call(key.string, CREATE, **asked(system="Be brief"))
    assert [block["text"] for block in message["content"]] == [SAID]
    assert (message["stop_reason"], message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == ("end_turn", 10, 4)
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_a_stream_adds_up_and_is_charged_as_told(client: Package, administration: Administration) -> None:
    key = administration.create("stream")
    kinds = [event["type"] for event in client.stream(key.string, CREATE, **asked())]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    message = client.added_up(key.string, "messages.stream", **asked())
    assert [block["text"] for block in message["content"]] == [SAID]
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (10, 4)
    assert str(administration.assert_told_is_spent(key)) == "0.000036"


@EACH_WAY
def test_tools_are_called_and_their_results_told(client: Package, administration: Administration, method: str) -> None:
    key = administration.create("tools").string
    first = ask(client, key, method, **asked("The weather?", tools=[TOOL], tool_choice={"type": "any"}))
    [call] = first["content"]
    assert (first["stop_reason"], call["type"], call["name"], call["input"]) == ("tool_use", "tool_use", "weather", provider.ARGUMENTS)
    called = {"type": "tool_use", "id": call["id"], "name": call["name"], "input": call["input"]}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}
    turns = [{"role": "assistant", "content": [called]}, {"role": "user", "content": [result]}]
    request = asked("The weather?", tools=[TOOL])
    request["messages"] += turns
    assert ask(client, key, method, **request)["content"][0]["text"] == SAID


@EACH_WAY
def test_thinking_is_a_block_of_its_own(client: Package, administration: Administration, method: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    key = administration.create("thinking").string
    message = ask(client, key, method, **asked(thinking=thinking, max_tokens=1000))
    thought, said = message["content"]
    assert (thought["type"], thought["thinking"], said["text"]) == ("thinking", provider.THOUGHT, SAID)


def test_pictures_are_seen(client: Package, administration: Administration) -> None:
    content = [{"type": "image", "source": PICTURE}, {"type": "text", "text": "What is it?"}]
    message = client.call(administration.create("pictures").string, CREATE, **asked(content))
    assert message["content"][0]["text"] == "A picture."


@pytest.mark.parametrize("method", ["messages.count_tokens", "beta.messages.count_tokens"])
def test_tokens_are_counted_for_nothing(client: Package, administration: Administration, method: str) -> None:
    key = administration.create("count", limit=0)
    request = asked("some words " * 100, tools=[TOOL])
    del request["max_tokens"]
    assert client.call(key.string, method, **request)["input_tokens"] > 100
    assert administration.find(key.hash)["usage"] == 0


@pytest.mark.parametrize("method", ["models.list", "beta.models.list"])
def test_models_are_listed(client: Package, administration: Administration, method: str) -> None:
    """As OpenRouter lists them; the packages want an id of each."""
    assert MODEL in [model["id"] for model in client.items(administration.create("models").string, method)]


def test_refusals_have_their_types(client: Package, administration: Administration) -> None:
    key = administration.create("refused", limit=1)
    poor = administration.create("poor", limit=0.00001)
    for string, request, status, type in [
        (UNKNOWN_KEY, asked(), 401, "AuthenticationError"),
        (key.string, asked(model="no/such-model"), 400, "BadRequestError"),
        (poor.string, asked(), 402, None),
        (key.string, asked("#fail 429"), 429, "RateLimitError"),
        (key.string, asked("#fail 500"), 502, "InternalServerError"),
    ]:
        with pytest.raises(Refused) as caught:
            client.call(string, CREATE, **request)
        assert caught.value.status == status
        assert type is None or caught.value.type == type
    assert administration.find(key.hash)["usage"] == 0


def test_a_stream_that_breaks_off_raises_and_is_free(client: Package, administration: Administration) -> None:
    key = administration.create("broken off", limit=1)
    with pytest.raises(Refused):
        client.stream(key.string, CREATE, **asked("#break"))
    assert administration.find(key.hash)["usage"] == 0
