"""The `openai` packages of npm and PyPI, with nothing but their base URL changed."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Protocol

import openai
import pytest

from administration import Administration
from node import Node, Thrown
from recorder import Recorder
from sdk_suite import COST, MODEL, SAID, UNKNOWN_KEY, asked


class Refused(Exception):
    """The error that a client raised, and the status, which one in the middle of a stream has not."""

    def __init__(self, status: int | None, type: str):
        super().__init__(f"{type} ({status})")
        self.status = status
        self.type = type


class Client(Protocol):
    def chat(self, key: str, **request: Any) -> dict[str, Any]: ...
    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]: ...
    def added_up(self, key: str, **request: Any) -> dict[str, Any]: ...
    def models(self, key: str) -> list[dict[str, Any]]: ...


class NpmClient:
    def __init__(self, node: Node, base_url: str):
        self._node = node
        self._base_url = base_url

    def chat(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call("chat", key, request)

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return self._call("stream", key, request)

    def added_up(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call("addedUp", key, request)

    def models(self, key: str) -> list[dict[str, Any]]:
        return self._call("models", key)

    def _call(self, method: str, key: str, *arguments: Any) -> Any:
        try:
            return self._node.call("openai", method, self._base_url, key, *arguments)
        except Thrown as error:
            raise Refused(error.status, error.type) from error


class PyPiClient:
    def __init__(self, base_url: str):
        self._base_url = base_url

    def chat(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call(key, lambda client: client.chat.completions.create(**request).model_dump())

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        def chunks(client: openai.OpenAI) -> list[dict[str, Any]]:
            return [chunk.model_dump() for chunk in client.chat.completions.create(**request, stream=True)]

        return self._call(key, chunks)

    def added_up(self, key: str, **request: Any) -> dict[str, Any]:
        def answer(client: openai.OpenAI) -> dict[str, Any]:
            with client.chat.completions.stream(**request) as stream:
                return stream.get_final_completion().model_dump()

        return self._call(key, answer)

    def models(self, key: str) -> list[dict[str, Any]]:
        return self._call(key, lambda client: [model.model_dump() for model in client.models.list()])

    def _call(self, key: str, call) -> Any:
        with openai.OpenAI(api_key=key, base_url=self._base_url, max_retries=0) as client:
            try:
                return call(client)
            except openai.APIError as error:
                raise Refused(getattr(error, "status_code", None), type(error).__name__) from error


@pytest.fixture(params=["npm", "PyPI"])
def client(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> Client:
    return NpmClient(node, recorder.api) if request.param == "npm" else PyPiClient(recorder.api)


def test_a_completion_is_charged_as_told(client: Client, administration: Administration) -> None:
    key = administration.create("plain")
    answer = client.chat(key.string, **asked())
    assert answer["choices"][0]["message"]["content"] == SAID
    assert answer["usage"]["cost"] == COST
    assert str(administration.assert_told_is_spent(key)) == "0.000012"


@pytest.mark.parametrize("more", [{}, {"stream_options": {"include_usage": True}}], ids=["plain", "include_usage"])
def test_a_stream_is_charged_as_told(client: Client, administration: Administration, more: dict[str, Any]) -> None:
    key = administration.create("stream")
    *spoken, last = client.stream(key.string, **asked(), **more)
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in spoken) == SAID
    assert last["choices"] == []
    assert last["usage"]["cost"] == COST
    assert str(administration.assert_told_is_spent(key)) == "0.000012"


@pytest.mark.parametrize("content", [SAID, ""], ids=["text", "nothing"])
def test_the_deltas_of_a_stream_add_up(client: Client, administration: Administration, content: str) -> None:
    """The packages' own sums: PyPI's joins a `role` that is told twice, npm's wants it told."""
    [choice] = client.added_up(administration.create("sum").string, **asked(content))["choices"]
    message = choice["message"]
    assert (message["role"], message["content"] or "", choice["finish_reason"]) == ("assistant", content, "stop")


def test_a_stream_that_breaks_off_raises_and_is_free(client: Client, administration: Administration) -> None:
    key = administration.create("broken off", limit=1)
    with pytest.raises(Refused) as caught:
        client.stream(key.string, **asked(f"#echo cut_after=2\n{SAID}"))
    assert (caught.value.status, caught.value.type) == (None, "APIError")
    assert administration.find(key.hash)["usage"] == 0


def test_models_are_listed(client: Client, administration: Administration) -> None:
    assert MODEL in [model["id"] for model in client.models(administration.create("models").string)]


def test_refusals_have_their_types(client: Client, administration: Administration, recorder: Recorder) -> None:
    key = administration.create("one request", limit=COST)
    client.chat(key.string, **asked())
    assert refusal(client, key.string, asked()) == (403, "PermissionDeniedError")
    message = recorder.exchanges()[-1].json["error"]["message"]
    assert message.startswith("Key limit exceeded (total limit).")

    poor = administration.create("not even one", limit=0.000008)
    assert refusal(client, poor.string, asked()) in [(402, "APIError"), (402, "APIStatusError")]
    assert refusal(client, poor.string, asked(model="no/such-model")) == (400, "BadRequestError")
    assert refusal(client, UNKNOWN_KEY, asked()) == (401, "AuthenticationError")
    assert administration.assert_told_is_spent(poor) == 0


def test_many_at_once_spend_the_limit_and_no_more(recorder: Recorder, administration: Administration) -> None:
    affordable = 25
    key = administration.create("crowd", limit=affordable * COST)
    client = PyPiClient(recorder.api)

    def one(number: int) -> int:
        """The status of one request, half of them streamed."""
        try:
            (client.stream if number % 2 else client.chat)(key.string, **asked())
        except Refused as error:
            return error.status
        return 200

    with ThreadPoolExecutor(16) as crowd:
        statuses = list(crowd.map(one, range(2 * affordable)))
    assert statuses.count(200) == affordable
    assert set(statuses) <= {200, 402, 403}
    assert administration.assert_told_is_spent(key) == affordable * Decimal(str(COST))


def refusal(client: Client, key: str, request: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        client.chat(key, **request)
    return caught.value.status, caught.value.type
