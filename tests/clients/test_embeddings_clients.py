"""Embeddings and rankings, by every package that offers them."""

from typing import Any

import pytest

from administration import Administration
from node import Node
from package import Package, Refused
from packages import opened
from recorder import Recorder

MODEL = "scripted/model"
TEXTS = ["one", "three"]
VECTORS = [[3.0, 0.5, -1.25], [5.0, 0.5, -1.25]]
# Ten tokens of a prompt.
COST = "0.00001"


@pytest.fixture(params=["npm openai", "PyPI openai", "npm openrouter", "npm openrouter 0.1", "PyPI openrouter"])
def client(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> Package:
    return opened(request.param, node, recorder.api)


def embed(client: Package, key: str, **request: Any) -> dict[str, Any]:
    method = "embeddings.create" if "openai" in client.name else "embeddings.generate"
    return client.call(key, method, model=MODEL, **request)


def test_texts_become_vectors_and_are_charged(client: Package, administration: Administration) -> None:
    """The `openai` packages ask for base64 by themselves, and decode whatever comes."""
    key = administration.create("vectors")
    answer = embed(client, key.string, input=TEXTS)
    assert [item["embedding"] for item in answer["data"]] == VECTORS
    assert answer["usage"]["prompt_tokens"] == 10
    assert str(administration.assert_told_is_spent(key)) == COST


def test_a_provider_that_fails_is_free(client: Package, administration: Administration) -> None:
    key = administration.create("failing", limit=1)
    with pytest.raises(Refused) as caught:
        embed(client, key.string, input="#fail 503")
    assert caught.value.status == 503
    assert administration.find(key.hash)["usage"] == 0


def test_an_empty_text_is_refused(client: Package, administration: Administration) -> None:
    with pytest.raises(Refused) as caught:
        embed(client, administration.create("empty").string, input="")
    assert caught.value.status == 400


def test_the_ai_sdk_embeds(node: Node, recorder: Recorder, administration: Administration) -> None:
    key = administration.create("vectors")
    told = node.call("ai", "embed", recorder.api, key.string, {"model": MODEL, "values": TEXTS})
    assert told == {"embedding": VECTORS[0], "embeddings": VECTORS}
    assert str(administration.assert_told_is_spent(key)) == "0.00002"


@pytest.mark.parametrize("name", ["npm openrouter", "PyPI openrouter"])
def test_documents_are_ranked(name: str, node: Node, recorder: Recorder, administration: Administration) -> None:
    key = administration.create("ranking", limit=1)
    client = opened(name, node, recorder.api)
    request = {"model": MODEL, "query": "q", "documents": TEXTS, "top_n": 1}
    [result] = client.call(key.string, "rerank.rerank", **request)["results"]
    assert (result["index"], result["document"]["text"]) == (0, "one")
    with pytest.raises(Refused) as caught:
        client.call(key.string, "rerank.rerank", **request | {"query": "#fail 503"})
    assert caught.value.status == 503
    assert str(administration.assert_told_is_spent(key)) == COST
