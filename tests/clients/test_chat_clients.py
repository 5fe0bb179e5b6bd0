"""What chat completions offer besides text, by the `openai` packages and OpenRouter's SDKs, before a scripted provider."""

from typing import Any

import pytest

import provider
from administration import Administration
from node import Node
from package import Package, Refused
from packages import opened
from recorder import Recorder

MODEL = "scripted/model"
SAID = "".join(provider.SAID)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": PARAMETERS}}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture(params=["npm openai", "PyPI openai", "npm openrouter", "PyPI openrouter"])
def client(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> "Client":
    return Client(opened(request.param, node, recorder.api))


class Client:
    """A package under the one name that it has for chat completions."""

    def __init__(self, package: Package):
        self._package = package
        self.raises_in_streams = "openai" in package.name
        self._method = "chat.completions.create" if "openai" in package.name else "chat.send"

    def chat(self, key: str, **request: Any) -> dict[str, Any]:
        return self._package.call(key, self._method, **request)

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return self._package.stream(key, self._method, **request)


def asked(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": content}]} | more


def test_tools_are_called_and_their_results_told(client: Client, administration: Administration) -> None:
    key = administration.create("tools").string
    [choice] = client.chat(key, **asked("The weather?", tools=[TOOL]))["choices"]
    [call] = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], call["function"]["name"]) == ("tool_calls", "weather")
    assert call["function"]["arguments"] == '{"city": "Paris"}'
    request = asked("The weather?", tools=[TOOL])
    function = {"name": "weather", "arguments": call["function"]["arguments"]}
    called = {"id": call["id"], "type": "function", "function": function}
    request["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    assert client.chat(key, **request)["choices"][0]["message"]["content"] == SAID


def test_a_stream_calls_and_reasons(client: Client, administration: Administration) -> None:
    key = administration.create("stream")
    deltas = [chunk["choices"][0]["delta"] for chunk in client.stream(key.string, **asked("The weather?", tools=[TOOL]))[:-1]]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or []]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city": "Paris"}'
    chunks = client.stream(key.string, **asked(reasoning={"effort": "low"}))
    thought = [chunk["choices"][0]["delta"].get("reasoning") or "" for chunk in chunks[:-1]]
    assert "".join(thought) == provider.THOUGHT
    assert str(administration.assert_told_is_spent(key)) == "0.000036"


def test_pictures_are_seen_and_schemas_kept(client: Client, administration: Administration) -> None:
    key = administration.create("pictures").string
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    assert client.chat(key, **asked(parts))["choices"][0]["message"]["content"] == "A picture."
    answer = client.chat(key, **asked("Who?", response_format=FORMAT))
    assert answer["choices"][0]["message"]["content"] == '{"name": "Ada", "age": 36}'


def test_errors_come_before_and_after_the_first_byte(client: Client, administration: Administration) -> None:
    """OpenRouter's SDKs hand over the event that tells of it, the `openai` packages raise."""
    key = administration.create("broken off", limit=1)
    for ask in (client.chat, client.stream):
        with pytest.raises(Refused) as caught:
            ask(key.string, **asked("#fail 503"))
        assert caught.value.status == 503
    if client.raises_in_streams:
        with pytest.raises(Refused):
            client.stream(key.string, **asked("#break"))
    else:
        assert client.stream(key.string, **asked("#break"))[-1]["error"]["code"] == 502
    assert administration.find(key.hash)["usage"] == 0
