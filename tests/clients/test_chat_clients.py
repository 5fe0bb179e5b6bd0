"""What chat completions offer besides text, by the `openai` packages and OpenRouter's SDKs, before a scripted provider."""

import time
from typing import Any

import openai
import pytest

import provider
from administration import Administration
from gateway import Gateway
from node import Node
from recorder import Recorder
from sdks import PythonSdk, camel_all_through, snake

CHARGE_SECONDS_MAX = 30
MODEL = "scripted/model"
SAID = "".join(provider.SAID)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": PARAMETERS}}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


class NpmOpenAi:
    def __init__(self, node: Node, base_url: str):
        self._node, self._base_url = node, base_url

    def chat(self, key: str, **request: Any) -> dict[str, Any]:
        return self._node.call("openai", "chat", self._base_url, key, request)

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return self._node.call("openai", "stream", self._base_url, key, request)


class PyPiOpenAi:
    """Fields that the package does not know go as it lets them."""

    def __init__(self, base_url: str):
        self._base_url = base_url

    def chat(self, key: str, **request: Any) -> dict[str, Any]:
        with self._open(key) as client:
            return client.chat.completions.create(**_extra(request)).model_dump()

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        with self._open(key) as client:
            return [chunk.model_dump() for chunk in client.chat.completions.create(**_extra(request), stream=True)]

    def _open(self, key: str) -> openai.OpenAI:
        return openai.OpenAI(api_key=key, base_url=self._base_url, max_retries=0)


def _extra(request: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in request.items() if name != "reasoning"}
    return known | ({"extra_body": {"reasoning": request["reasoning"]}} if "reasoning" in request else {})


class NpmOpenRouter:
    def __init__(self, node: Node, base_url: str):
        self._node, self._base_url = node, base_url

    def chat(self, key: str, **request: Any) -> dict[str, Any]:
        return snake(self._node.call("openrouter-newest", "chat", self._base_url, key, camel_all_through(request)))

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return snake(self._node.call("openrouter-newest", "stream", self._base_url, key, camel_all_through(request)))


@pytest.fixture(params=["npm openai", "PyPI openai", "npm openrouter", "PyPI openrouter"])
def client(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> Any:
    return {
        "npm openai": lambda: NpmOpenAi(node, recorder.api),
        "PyPI openai": lambda: PyPiOpenAi(recorder.api),
        "npm openrouter": lambda: NpmOpenRouter(node, recorder.api),
        "PyPI openrouter": lambda: PythonSdk(recorder.api),
    }[request.param]()


def asked(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": content}]} | more


def test_tools_are_called_and_their_results_told(client: Any, administration: Administration) -> None:
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


def test_a_stream_calls_and_reasons(client: Any, administration: Administration) -> None:
    key = administration.create("stream")
    deltas = [chunk["choices"][0]["delta"] for chunk in client.stream(key.string, **asked("The weather?", tools=[TOOL]))[:-1]]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or []]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city": "Paris"}'
    chunks = client.stream(key.string, **asked(reasoning={"effort": "low"}))
    thought = [chunk["choices"][0]["delta"].get("reasoning") or "" for chunk in chunks[:-1]]
    assert "".join(thought) == provider.THOUGHT
    assert str(administration.assert_told_is_spent(key)) == "0.000036"


def test_pictures_are_seen_and_schemas_kept(client: Any, administration: Administration) -> None:
    key = administration.create("pictures").string
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    assert client.chat(key, **asked(parts))["choices"][0]["message"]["content"] == "A picture."
    answer = client.chat(key, **asked("Who?", response_format=FORMAT))
    assert answer["choices"][0]["message"]["content"] == '{"name": "Ada", "age": 36}'


def test_who_leaves_is_charged_what_the_provider_bills(gateway: Gateway, administration: Administration) -> None:
    """Past the recorder, which takes an answer that breaks off for a mistake."""
    key = administration.create("left", limit=1)
    with openai.OpenAI(api_key=key.string, base_url=f"{gateway.url}/api/v1", max_retries=0) as client:
        with client.chat.completions.create(**asked("#long"), stream=True) as stream:
            next(iter(stream))
    deadline = time.monotonic() + CHARGE_SECONDS_MAX
    while not (spent := administration.find(key.hash)["usage"]):
        assert time.monotonic() < deadline, "nothing was charged"
        time.sleep(0.05)
    assert str(spent) == provider.COST
