"""OpenAI's Responses, first completions and the rest of chat, by the `openai` packages and OpenRouter's SDKs."""

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


@pytest.fixture(params=["npm openai", "PyPI openai", "npm openrouter", "PyPI openrouter"])
def client(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> "Client":
    return Client(opened(request.param, node, recorder.api))


class Client:
    """A package under the one name that it has for responses."""

    def __init__(self, package: Package):
        self._package = package
        self._method = "responses.create" if "openai" in package.name else "responses.send"

    def respond(self, key: str, **request: Any) -> dict[str, Any]:
        return self._package.call(key, self._method, **request)

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return self._package.stream(key, self._method, **request)


def asked(input: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": input, "max_output_tokens": 100} | more


def texts(response: dict[str, Any]) -> list[str]:
    return [item["content"][0]["text"] for item in response["output"] if item["type"] == "message"]


def test_a_response_is_charged_as_told(client: Client, administration: Administration) -> None:
    key = administration.create("plain")
    response = client.respond(key.string, **asked(instructions="Be brief"))
    assert (response["status"], texts(response)) == ("completed", [SAID])
    assert (response["usage"]["input_tokens"], response["usage"]["output_tokens"]) == (10, 4)
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_a_stream_is_charged_as_told(client: Client, administration: Administration) -> None:
    key = administration.create("stream")
    events = client.stream(key.string, **asked())
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == SAID
    assert events[-1]["type"] == "response.completed"
    assert texts(events[-1]["response"]) == [SAID]
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_a_stream_thinks_and_calls(client: Client, administration: Administration) -> None:
    key = administration.create("thinks").string
    kinds = [event["type"] for event in client.stream(key, **asked(reasoning={"effort": "low"}))]
    assert "response.reasoning_text.delta" in kinds
    events = client.stream(key, **asked("The weather?", tools=[TOOL]))
    done = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    assert [event["arguments"] for event in done] == ['{"city": "Paris"}']


def test_tools_are_called_and_their_results_told(client: Client, administration: Administration) -> None:
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


def test_pictures_are_seen_and_schemas_kept(client: Client, administration: Administration) -> None:
    key = administration.create("pictures").string
    parts = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
    ]
    assert texts(client.respond(key, **asked([{"role": "user", "content": parts}]))) == ["A picture."]
    [text] = texts(client.respond(key, **asked("Who?", text=FORMAT)))
    assert text == '{"name": "Ada", "age": 36}'


def test_a_response_that_breaks_off_failed_and_is_free(client: Client, administration: Administration) -> None:
    key = administration.create("broken off", limit=1)
    last = client.stream(key.string, **asked("#break"))[-1]
    assert (last["type"], last["response"]["error"]["code"]) == ("response.failed", "server_error")
    assert administration.find(key.hash)["usage"] == 0


def test_an_error_before_the_first_byte_is_raised(client: Client, administration: Administration) -> None:
    key = administration.create("failing", limit=1)
    for ask in (client.respond, client.stream):
        with pytest.raises(Refused) as caught:
            ask(key.string, **asked("#fail 503"))
        assert caught.value.status == 503
    assert administration.find(key.hash)["usage"] == 0


@pytest.fixture(params=["npm openai", "PyPI openai"])
def openais(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> Package:
    return opened(request.param, node, recorder.api)


def test_a_response_adds_up(openais: Package, administration: Administration) -> None:
    key = administration.create("sum")
    response = openais.added_up(key.string, "responses.stream", **asked())
    assert (response["status"], texts(response)) == ("completed", [SAID])
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_what_would_have_to_be_kept_is_refused(openais: Package, administration: Administration) -> None:
    key = administration.create("kept").string
    with pytest.raises(Refused) as caught:
        openais.call(key, "responses.create", **asked(previous_response_id="resp-1"))
    assert (caught.value.type, caught.value.status) == ("BadRequestError", 400)


def test_a_prompt_is_continued(openais: Package, administration: Administration) -> None:
    key = administration.create("prompt")
    request = {"model": MODEL, "prompt": "Once", "max_tokens": 100}
    whole = openais.call(key.string, "completions.create", **request)
    assert (whole["object"], whole["choices"][0]["text"]) == ("text_completion", SAID)
    *chunks, last = openais.stream(key.string, "completions.create", **request)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == SAID
    assert last["choices"] == []
    assert str(administration.assert_told_is_spent(key)) == "0.000036"
    for ask in (openais.call, openais.stream):
        with pytest.raises(Refused) as caught:
            ask(key.string, "completions.create", **request | {"prompt": "#fail 503"})
        assert caught.value.status == 503


def test_the_old_sdk_continues_a_prompt(node: Node, recorder: Recorder, administration: Administration) -> None:
    """Newer ones of OpenRouter's have no such call."""
    key = administration.create("prompt")
    old = opened("npm openrouter 0.1", node, recorder.api)
    answer = old.call(key.string, "completions.generate", model=MODEL, prompt="Once", max_tokens=100)
    assert answer["choices"][0]["text"] == SAID
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_the_old_sdk_responds_too(node: Node, recorder: Recorder, administration: Administration) -> None:
    key = administration.create("beta")
    for name, method in [("npm openrouter 0.1", "beta.responses.send"), ("npm openrouter", "beta.responses.send")]:
        assert texts(opened(name, node, recorder.api).call(key.string, method, **asked())) == [SAID]
    assert str(administration.assert_told_is_spent(key)) == "0.000036"
