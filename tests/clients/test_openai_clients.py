"""The `openai` packages of npm and PyPI, with nothing but their base URL changed."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from administration import Administration
from node import Node
from package import Package, Refused
from packages import opened
from recorder import Recorder
from sdk_suite import COST, MODEL, SAID, UNKNOWN_KEY, asked

CREATE = "chat.completions.create"


@pytest.fixture(params=["npm openai", "PyPI openai"])
def client(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> Package:
    return opened(request.param, node, recorder.api)


def test_a_completion_is_charged_as_told(client: Package, administration: Administration) -> None:
    key = administration.create("plain")
    answer = client.call(key.string, CREATE, **asked())
    assert answer["choices"][0]["message"]["content"] == SAID
    assert answer["usage"]["cost"] == COST
    assert str(administration.assert_told_is_spent(key)) == "0.000012"


@pytest.mark.parametrize("more", [{}, {"stream_options": {"include_usage": True}}], ids=["plain", "include_usage"])
def test_a_stream_is_charged_as_told(client: Package, administration: Administration, more: dict[str, Any]) -> None:
    key = administration.create("stream")
    *spoken, last = client.stream(key.string, CREATE, **asked(), **more)
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in spoken) == SAID
    assert last["choices"] == []
    assert last["usage"]["cost"] == COST
    assert str(administration.assert_told_is_spent(key)) == "0.000012"


@pytest.mark.parametrize("content", [SAID, ""], ids=["text", "nothing"])
def test_the_deltas_of_a_stream_add_up(client: Package, administration: Administration, content: str) -> None:
    """The packages' own sums: PyPI's joins a `role` that is told twice, npm's wants it told."""
    [choice] = client.added_up(administration.create("sum").string, "chat.completions.stream", **asked(content))["choices"]
    message = choice["message"]
    assert (message["role"], message["content"] or "", choice["finish_reason"]) == ("assistant", content, "stop")


def test_a_stream_that_breaks_off_raises_and_is_free(client: Package, administration: Administration) -> None:
    key = administration.create("broken off", limit=1)
    with pytest.raises(Refused) as caught:
        client.stream(key.string, CREATE, **asked(f"#echo cut_after=2\n{SAID}"))
    assert (caught.value.status, caught.value.type) == (None, "APIError")
    assert administration.find(key.hash)["usage"] == 0


def test_models_are_listed(client: Package, administration: Administration) -> None:
    assert MODEL in [model["id"] for model in client.items(administration.create("models").string, "models.list")]


def test_refusals_have_their_types(client: Package, administration: Administration, recorder: Recorder) -> None:
    key = administration.create("one request", limit=COST)
    client.call(key.string, CREATE, **asked())
    assert refusal(client, key.string, asked()) == (403, "PermissionDeniedError")
    message = recorder.exchanges()[-1].json["error"]["message"]
    assert message.startswith("Key limit exceeded (total limit).")

    poor = administration.create("not even one", limit=0.000008)
    assert refusal(client, poor.string, asked()) in [(402, "APIError"), (402, "APIStatusError")]
    assert refusal(client, poor.string, asked(model="no/such-model")) == (400, "BadRequestError")
    assert refusal(client, UNKNOWN_KEY, asked()) == (401, "AuthenticationError")
    assert administration.assert_told_is_spent(poor) == 0


def test_many_at_once_spend_the_limit_and_no_more(node: Node, recorder: Recorder, administration: Administration) -> None:
    affordable = 25
    key = administration.create("crowd", limit=affordable * COST)
    client = opened("PyPI openai", node, recorder.api)

    def one(number: int) -> int:
        """The status of one request, half of them streamed."""
        try:
            (client.stream if number % 2 else client.call)(key.string, CREATE, **asked())
        except Refused as error:
            return error.status
        return 200

    with ThreadPoolExecutor(16) as crowd:
        statuses = list(crowd.map(one, range(2 * affordable)))
    assert statuses.count(200) == affordable
    assert set(statuses) <= {200, 402, 403}
    assert administration.assert_told_is_spent(key) == affordable * Decimal(str(COST))


def refusal(client: Package, key: str, request: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        client.call(key, CREATE, **request)
    return caught.value.status, caught.value.type
