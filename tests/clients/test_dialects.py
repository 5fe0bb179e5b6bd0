"""Clients before providers that speak another dialect than theirs, or the same: what they hear does not tell.

Chat completions by the `openai` packages and OpenRouter's, messages by the `anthropic` packages.
"""

import json
from typing import Any

import pytest

import provider
from administration import Administration
from dialects import DIALECTS
from node import Node
from package import Package, Refused
from packages import opened
from recorder import Recorder

SAID = "".join(provider.SAID)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
PICTURE = "iVBORw0KGgo="

CHAT = ["npm openai", "PyPI openai", "npm openrouter", "PyPI openrouter"]
MESSAGES = ["npm anthropic", "PyPI anthropic"]


@pytest.fixture(params=DIALECTS)
def model(request: pytest.FixtureRequest) -> str:
    return f"scripted/{request.param}"


@pytest.fixture(params=CHAT)
def chat(request: pytest.FixtureRequest, node: Node, recorder: Recorder, model: str) -> "Chat":
    return Chat(opened(request.param, node, recorder.api), model)


@pytest.fixture(params=MESSAGES)
def messages(request: pytest.FixtureRequest, node: Node, recorder: Recorder, model: str) -> "Messages":
    return Messages(opened(request.param, node, recorder.api), model)


def turns(content: Any) -> list[dict[str, Any]]:
    """A conversation, where `content` is what its one message says."""
    is_whole = isinstance(content, list) and "role" in content[0]
    return content if is_whole else [{"role": "user", "content": content}]


class Chat:
    def __init__(self, package: Package, model: str):
        self._package, self._model = package, model
        # OpenRouter's SDKs hand over the event that tells of a failure.
        self.raises_in_streams = "openai" in package.name
        self._method = "chat.completions.create" if self.raises_in_streams else "chat.send"

    def whole(self, key: str, content: Any, **more: Any) -> dict[str, Any]:
        answer = self._package.call(key, self._method, **self._asked(content, more))
        return answer["choices"][0]["message"]

    def stream(self, key: str, content: Any, **more: Any) -> list[dict[str, Any]]:
        """The deltas."""
        chunks = self._package.stream(key, self._method, **self._asked(content, more))
        return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]

    def _asked(self, content: Any, more: dict[str, Any]) -> dict[str, Any]:
        return {"model": self._model, "max_tokens": 900, "messages": turns(content)} | more


class Messages:
    def __init__(self, package: Package, model: str):
        self._package, self._model = package, model

    def whole(self, key: str, content: Any, **more: Any) -> list[dict[str, Any]]:
        """The blocks."""
        return self._package.call(key, "messages.create", **self._asked(content, more))["content"]

    def stream(self, key: str, content: Any, **more: Any) -> list[dict[str, Any]]:
        return self._package.added_up(key, "messages.stream", **self._asked(content, more))["content"]

    def _asked(self, content: Any, more: dict[str, Any]) -> dict[str, Any]:
        return {"model": self._model, "max_tokens": 2000, "messages": turns(content)} | more


TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": CITY}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}


def test_chat_is_answered_and_charged_as_told(chat: Chat, administration: Administration) -> None:
    key = administration.create("chat")
    assert chat.whole(key.string, "Hello")["content"] == SAID
    assert "".join(delta.get("content") or "" for delta in chat.stream(key.string, "Hello")) == SAID
    assert str(administration.assert_told_is_spent(key)) == "0.000036"


def test_chat_calls_functions_and_tells_what_came(chat: Chat, administration: Administration) -> None:
    key = administration.create("tools").string
    [call] = chat.whole(key, "The weather?", tools=[TOOL])["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("weather", provider.ARGUMENTS)
    deltas = chat.stream(key, "The weather?", tools=[TOOL])
    pieces = [call["function"].get("arguments") or "" for delta in deltas for call in delta.get("tool_calls") or []]
    assert json.loads("".join(pieces)) == provider.ARGUMENTS
    function = {"name": "weather", "arguments": call["function"]["arguments"]}
    told = [
        {"role": "user", "content": "The weather?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": call["id"], "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    assert chat.whole(key, told, tools=[TOOL])["content"] == SAID


def test_chat_shows_pictures_and_keeps_schemas(chat: Chat, administration: Administration) -> None:
    key = administration.create("pictures").string
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    assert chat.whole(key, [{"type": "text", "text": "What is it?"}, picture])["content"] == "A picture."
    assert json.loads(chat.whole(key, "Who?", response_format=FORMAT)["content"]) == provider.OBJECT


def test_chat_fails_before_and_after_the_first_byte(chat: Chat, administration: Administration) -> None:
    key = administration.create("failing", limit=1)
    for ask in (chat.whole, chat.stream):
        with pytest.raises(Refused) as caught:
            ask(key.string, "#fail 503")
        assert caught.value.status == 503
    if chat.raises_in_streams:
        with pytest.raises(Refused):
            chat.stream(key.string, "#break")
    else:
        chat.stream(key.string, "#break")
    assert administration.find(key.hash)["usage"] == 0


CLAUDES_TOOL = {"name": "weather", "description": "The weather", "input_schema": CITY}


def test_messages_are_answered_and_charged_as_told(messages: Messages, administration: Administration) -> None:
    key = administration.create("messages")
    for ask in (messages.whole, messages.stream):
        assert [block["text"] for block in ask(key.string, "Hello")] == [SAID]
    assert str(administration.assert_told_is_spent(key)) == "0.000036"


def test_messages_call_functions_and_tell_what_came(messages: Messages, administration: Administration) -> None:
    key = administration.create("tools").string
    for ask in (messages.whole, messages.stream):
        [call] = ask(key, "The weather?", tools=[CLAUDES_TOOL])
        assert (call["type"], call["name"], call["input"]) == ("tool_use", "weather", provider.ARGUMENTS)
    used = {"type": "tool_use", "id": call["id"], "name": "weather", "input": call["input"]}
    told = [
        {"role": "user", "content": "The weather?"},
        {"role": "assistant", "content": [used]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}]},
    ]
    assert messages.whole(key, told, tools=[CLAUDES_TOOL])[0]["text"] == SAID


def test_messages_show_pictures_and_keep_schemas(messages: Messages, administration: Administration) -> None:
    key = administration.create("pictures").string
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
    assert messages.whole(key, [picture, {"type": "text", "text": "What is it?"}])[0]["text"] == "A picture."
    [said] = messages.whole(key, "Who?", output_config={"format": {"type": "json_schema", "schema": PERSON}})
    assert json.loads(said["text"]) == provider.OBJECT


def test_messages_fail_before_and_after_the_first_byte(messages: Messages, administration: Administration) -> None:
    key = administration.create("failing", limit=1)
    with pytest.raises(Refused) as caught:
        messages.stream(key.string, "#fail 503")
    assert caught.value.status == 503
    with pytest.raises(Refused):
        messages.stream(key.string, "#break")
    assert administration.find(key.hash)["usage"] == 0


THINKS = ["scripted/anthropic", "scripted/gemini", "scripted/cohere"]


@pytest.mark.parametrize("model", THINKS)
@pytest.mark.parametrize("name", ["npm anthropic", "PyPI anthropic", "npm openrouter", "PyPI openai"])
def test_thoughts_are_told(
    model: str, name: str, node: Node, recorder: Recorder, administration: Administration
) -> None:
    """Of Amazon's models only those that think are asked to."""
    key = administration.create("thinking").string
    package = opened(name, node, recorder.api)
    if "anthropic" in name:
        thinking = {"type": "enabled", "budget_tokens": 1024}
        thought, said = Messages(package, model).stream(key, "Hello", thinking=thinking)
        assert (thought["thinking"], said["text"]) == (provider.THOUGHT, SAID)
    else:
        deltas = Chat(package, model).stream(key, "Hello", reasoning={"effort": "low"})
        assert "".join(delta.get("reasoning") or "" for delta in deltas) == provider.THOUGHT
