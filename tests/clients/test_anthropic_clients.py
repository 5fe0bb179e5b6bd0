"""The `anthropic` packages of npm and PyPI, with nothing but their base URL changed, before a provider of OpenAI's."""

import time
from typing import Any, Protocol

import anthropic
import pytest

import provider
from administration import Administration
from gateway import Gateway
from node import Node, Thrown
from recorder import Recorder
from sdk_suite import UNKNOWN_KEY

CHARGE_SECONDS_MAX = 30
MODEL = "scripted/model"
TOOL = {
    "name": "weather",
    "description": "The weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PICTURE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
SAID = "".join(provider.SAID)


class Refused(Exception):
    def __init__(self, status: int | None, type: str):
        super().__init__(f"{type} ({status})")
        self.status = status
        self.type = type


class Client(Protocol):
    def create(self, key: str, **request: Any) -> dict[str, Any]: ...
    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]: ...
    def added_up(self, key: str, **request: Any) -> dict[str, Any]: ...
    def count(self, key: str, **request: Any) -> dict[str, Any]: ...
    def leave(self, key: str, after: int, **request: Any) -> int: ...


class NpmClient:
    def __init__(self, node: Node, base_url: str):
        self._node = node
        self._base_url = base_url

    def create(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call("create", key, request)

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return self._call("stream", key, request)

    def added_up(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call("addedUp", key, request)

    def count(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call("count", key, request)

    def leave(self, key: str, after: int, **request: Any) -> int:
        return self._call("leave", key, request, after)

    def _call(self, method: str, key: str, *arguments: Any) -> Any:
        try:
            return self._node.call("anthropic", method, self._base_url, key, *arguments)
        except Thrown as error:
            raise Refused(error.status, error.type) from error


class PyPiClient:
    def __init__(self, base_url: str):
        self._base_url = base_url.removesuffix("/v1")

    def create(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call(key, lambda client: client.messages.create(**request).model_dump())

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        def events(client: anthropic.Anthropic) -> list[dict[str, Any]]:
            return [event.model_dump() for event in client.messages.create(**request, stream=True)]

        return self._call(key, events)

    def added_up(self, key: str, **request: Any) -> dict[str, Any]:
        def message(client: anthropic.Anthropic) -> dict[str, Any]:
            with client.messages.stream(**request) as stream:
                return stream.get_final_message().model_dump()

        return self._call(key, message)

    def count(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call(key, lambda client: client.messages.count_tokens(**request).model_dump())

    def leave(self, key: str, after: int, **request: Any) -> int:
        def some(client: anthropic.Anthropic) -> int:
            with client.messages.stream(**request) as stream:
                for seen, _ in enumerate(stream, 1):
                    if seen == after:
                        break
            return seen

        return self._call(key, some)

    def _call(self, key: str, call) -> Any:
        with anthropic.Anthropic(api_key=key, base_url=self._base_url, max_retries=0) as client:
            try:
                return call(client)
            except anthropic.APIError as error:
                raise Refused(getattr(error, "status_code", None), type(error).__name__) from error


@pytest.fixture(params=["npm", "PyPI"])
def client(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> Client:
    return NpmClient(node, recorder.api) if request.param == "npm" else PyPiClient(recorder.api)


def asked(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": content}]} | more


def test_a_message_is_charged_as_told(client: Client, administration: Administration) -> None:
    key = administration.create("plain")
    message = client.create(key.string, **asked(system="Be brief"))
    assert [block["text"] for block in message["content"]] == [SAID]
    assert (message["stop_reason"], message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == ("end_turn", 10, 4)
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_a_stream_adds_up_and_is_charged_as_told(client: Client, administration: Administration) -> None:
    key = administration.create("stream")
    kinds = [event["type"] for event in client.stream(key.string, **asked())]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    message = client.added_up(key.string, **asked())
    assert [block["text"] for block in message["content"]] == [SAID]
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (10, 4)
    assert str(administration.assert_told_is_spent(key)) == "0.000036"


@pytest.mark.parametrize("how", ["create", "added_up"])
def test_tools_are_called_and_their_results_told(client: Client, administration: Administration, how: str) -> None:
    key = administration.create("tools").string
    ask = getattr(client, how)
    first = ask(key, **asked("The weather?", tools=[TOOL], tool_choice={"type": "any"}))
    [call] = first["content"]
    assert (first["stop_reason"], call["type"], call["name"], call["input"]) == ("tool_use", "tool_use", "weather", provider.ARGUMENTS)
    called = {"type": "tool_use", "id": call["id"], "name": call["name"], "input": call["input"]}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}
    turns = [{"role": "assistant", "content": [called]}, {"role": "user", "content": [result]}]
    request = asked("The weather?", tools=[TOOL])
    request["messages"] += turns
    assert ask(key, **request)["content"][0]["text"] == SAID


@pytest.mark.parametrize("how", ["create", "added_up"])
def test_thinking_is_a_block_of_its_own(client: Client, administration: Administration, how: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    message = getattr(client, how)(administration.create("thinking").string, **asked(thinking=thinking, max_tokens=1000))
    thought, said = message["content"]
    assert (thought["type"], thought["thinking"], said["text"]) == ("thinking", provider.THOUGHT, SAID)


def test_pictures_are_seen(client: Client, administration: Administration) -> None:
    content = [{"type": "image", "source": PICTURE}, {"type": "text", "text": "What is it?"}]
    message = client.create(administration.create("pictures").string, **asked(content))
    assert message["content"][0]["text"] == "A picture."


def test_tokens_are_counted_for_nothing(client: Client, administration: Administration) -> None:
    key = administration.create("count", limit=0)
    request = asked("some words " * 100, tools=[TOOL])
    del request["max_tokens"]
    assert client.count(key.string, **request)["input_tokens"] > 100
    assert administration.find(key.hash)["usage"] == 0


@pytest.mark.parametrize("package", ["npm", "PyPI"])
def test_who_leaves_is_charged_what_the_provider_bills(
    package: str, node: Node, gateway: Gateway, administration: Administration
) -> None:
    """Past the recorder, which takes an answer that breaks off for a mistake."""
    api = f"{gateway.url}/api/v1"
    client = NpmClient(node, api) if package == "npm" else PyPiClient(api)
    key = administration.create("left", limit=1)
    assert client.leave(key.string, 5, **asked("#long")) == 5
    deadline = time.monotonic() + CHARGE_SECONDS_MAX
    while not (spent := administration.find(key.hash)["usage"]):
        assert time.monotonic() < deadline, "nothing was charged"
        time.sleep(0.05)
    assert str(spent) == provider.COST


def test_refusals_have_their_types(client: Client, administration: Administration) -> None:
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
            client.create(string, **request)
        assert caught.value.status == status
        assert type is None or caught.value.type == type
    assert administration.find(key.hash)["usage"] == 0


def test_a_stream_that_breaks_off_raises_and_is_free(client: Client, administration: Administration) -> None:
    key = administration.create("broken off", limit=1)
    with pytest.raises(Refused):
        client.stream(key.string, **asked("#break"))
    assert administration.find(key.hash)["usage"] == 0
