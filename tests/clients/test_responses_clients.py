"""OpenAI's Responses, first completions and the rest of chat, by the `openai` packages and OpenRouter's SDKs."""

from typing import Any

import openai
import pytest
from openrouter import OpenRouter

import provider
from administration import Administration
from node import Node, Thrown
from recorder import Recorder
from sdks import camel_all_through, snake

MODEL = "scripted/model"
SAID = "".join(provider.SAID)
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "name": "weather", "description": "The weather", "parameters": PARAMETERS, "strict": True}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
FORMAT = {"format": {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


class NpmOpenAi:
    def __init__(self, node: Node, base_url: str):
        self._node, self._base_url = node, base_url

    def respond(self, key: str, **request: Any) -> dict[str, Any]:
        return self._node.call("openai", "respond", self._base_url, key, request)

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return self._node.call("openai", "respondStreaming", self._base_url, key, request)


class PyPiOpenAi:
    def __init__(self, base_url: str):
        self._base_url = base_url

    def respond(self, key: str, **request: Any) -> dict[str, Any]:
        with self._open(key) as client:
            return client.responses.create(**request).model_dump()

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        with self._open(key) as client:
            return [event.model_dump(warnings=False) for event in client.responses.create(**request, stream=True)]

    def _open(self, key: str) -> openai.OpenAI:
        return openai.OpenAI(api_key=key, base_url=self._base_url, max_retries=0)


class NpmOpenRouter:
    def __init__(self, node: Node, base_url: str):
        self._node, self._base_url = node, base_url

    def respond(self, key: str, **request: Any) -> dict[str, Any]:
        return snake(self._node.call("openrouter-newest", "respond", self._base_url, key, camel_all_through(request)))

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return snake(self._node.call("openrouter-newest", "respondStreaming", self._base_url, key, camel_all_through(request)))


class PyPiOpenRouter:
    def __init__(self, base_url: str):
        self._base_url = base_url

    def respond(self, key: str, **request: Any) -> dict[str, Any]:
        with self._open(key) as sdk:
            return sdk.responses.send(**request).model_dump(by_alias=True)

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        with self._open(key) as sdk, sdk.responses.send(**request, stream=True) as events:
            return [event.model_dump(by_alias=True) for event in events]

    def _open(self, key: str) -> OpenRouter:
        return OpenRouter(api_key=key, server_url=self._base_url, retry_config=None)


@pytest.fixture(params=["npm openai", "PyPI openai", "npm openrouter", "PyPI openrouter"])
def client(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> Any:
    return {
        "npm openai": lambda: NpmOpenAi(node, recorder.api),
        "PyPI openai": lambda: PyPiOpenAi(recorder.api),
        "npm openrouter": lambda: NpmOpenRouter(node, recorder.api),
        "PyPI openrouter": lambda: PyPiOpenRouter(recorder.api),
    }[request.param]()


def asked(input: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": input, "max_output_tokens": 100} | more


def texts(response: dict[str, Any]) -> list[str]:
    return [item["content"][0]["text"] for item in response["output"] if item["type"] == "message"]


def test_a_response_is_charged_as_told(client: Any, administration: Administration) -> None:
    key = administration.create("plain")
    response = client.respond(key.string, **asked(instructions="Be brief"))
    assert (response["status"], texts(response)) == ("completed", [SAID])
    assert (response["usage"]["input_tokens"], response["usage"]["output_tokens"]) == (10, 4)
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_a_stream_is_charged_as_told(client: Any, administration: Administration) -> None:
    key = administration.create("stream")
    events = client.stream(key.string, **asked())
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == SAID
    assert events[-1]["type"] == "response.completed"
    assert texts(events[-1]["response"]) == [SAID]
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_a_stream_thinks_and_calls(client: Any, administration: Administration) -> None:
    key = administration.create("thinks").string
    kinds = [event["type"] for event in client.stream(key, **asked(reasoning={"effort": "low"}))]
    assert "response.reasoning_text.delta" in kinds
    events = client.stream(key, **asked("The weather?", tools=[TOOL]))
    done = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    assert [event["arguments"] for event in done] == ['{"city": "Paris"}']


def test_tools_are_called_and_their_results_told(client: Any, administration: Administration) -> None:
    key = administration.create("tools").string
    first = client.respond(key, **asked("The weather?", tools=[TOOL]))
    [call] = first["output"]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "weather", '{"city": "Paris"}')
    told = [
        {"role": "user", "content": "The weather?"},
        {"type": "function_call", "call_id": call["call_id"], "name": "weather", "arguments": call["arguments"]},
        {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"},
    ]
    assert texts(client.respond(key, **asked(told, tools=[TOOL]))) == [SAID]


def test_pictures_are_seen_and_schemas_kept(client: Any, administration: Administration) -> None:
    key = administration.create("pictures").string
    parts = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
    ]
    assert texts(client.respond(key, **asked([{"role": "user", "content": parts}]))) == ["A picture."]
    [text] = texts(client.respond(key, **asked("Who?", text=FORMAT)))
    assert text == '{"name": "Ada", "age": 36}'


def test_a_response_that_breaks_off_failed_and_is_free(client: Any, administration: Administration) -> None:
    key = administration.create("broken off", limit=1)
    last = client.stream(key.string, **asked("#break"))[-1]
    assert (last["type"], last["response"]["error"]["code"]) == ("response.failed", "server_error")
    assert administration.find(key.hash)["usage"] == 0


def test_what_would_have_to_be_kept_is_refused(node: Node, recorder: Recorder, administration: Administration) -> None:
    key = administration.create("kept").string
    with pytest.raises(Thrown) as caught:
        node.call("openai", "respond", recorder.api, key, asked(previous_response_id="resp-1"))
    assert (caught.value.type, caught.value.status) == ("BadRequestError", 400)


def test_a_prompt_is_continued(node: Node, recorder: Recorder, administration: Administration) -> None:
    key = administration.create("prompt")
    request = {"model": MODEL, "prompt": "Once", "max_tokens": 100}
    whole = node.call("openai", "complete", recorder.api, key.string, request)
    assert (whole["object"], whole["choices"][0]["text"]) == ("text_completion", SAID)
    *chunks, last = node.call("openai", "completeStreaming", recorder.api, key.string, request)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == SAID
    assert last["choices"] == []
    with openai.OpenAI(api_key=key.string, base_url=recorder.api, max_retries=0) as client:
        assert client.completions.create(**request).choices[0].text == SAID
    assert str(administration.assert_told_is_spent(key)) == "0.000054"
