"""Embeddings and rankings, by every package that offers them."""

from typing import Any

import openai
import pytest
from openrouter import OpenRouter

from administration import Administration
from node import Node, Thrown
from recorder import Recorder
from sdks import snake

MODEL = "scripted/model"
TEXTS = ["one", "three"]
VECTORS = [[3.0, 0.5, -1.25], [5.0, 0.5, -1.25]]
# Ten tokens of a prompt.
COST = "0.00001"


def of_npm_openai(node: Node, api: str, key: str, **request: Any) -> Any:
    return node.call("openai", "embed", api, key, request)


def of_pypi_openai(node: Node, api: str, key: str, **request: Any) -> Any:
    with openai.OpenAI(api_key=key, base_url=api, max_retries=0) as client:
        return client.embeddings.create(**request).model_dump()


def of_npm_openrouter(node: Node, api: str, key: str, **request: Any) -> Any:
    return snake(node.call("openrouter-newest", "embed", api, key, request))


def of_pypi_openrouter(node: Node, api: str, key: str, **request: Any) -> Any:
    with OpenRouter(api_key=key, server_url=api, retry_config=None) as sdk:
        return sdk.embeddings.generate(**request).model_dump(by_alias=True)


@pytest.mark.parametrize("embed", [of_npm_openai, of_pypi_openai, of_npm_openrouter, of_pypi_openrouter])
def test_texts_become_vectors_and_are_charged(
    embed, node: Node, recorder: Recorder, administration: Administration
) -> None:
    """The `openai` packages ask for base64 by themselves, and decode whatever comes."""
    key = administration.create("vectors")
    answer = embed(node, recorder.api, key.string, model=MODEL, input=TEXTS)
    assert [item["embedding"] for item in answer["data"]] == VECTORS
    assert answer["usage"]["prompt_tokens"] == 10
    assert str(administration.assert_told_is_spent(key)) == COST


def test_the_ai_sdk_embeds(node: Node, recorder: Recorder, administration: Administration) -> None:
    key = administration.create("vectors")
    assert node.call("ai", "embed", recorder.api, key.string, {"model": MODEL, "values": TEXTS}) == VECTORS
    assert str(administration.assert_told_is_spent(key)) == COST


def test_an_empty_text_is_refused(node: Node, recorder: Recorder, administration: Administration) -> None:
    with pytest.raises(Thrown) as caught:
        of_npm_openrouter(node, recorder.api, administration.create("empty").string, model=MODEL, input="")
    assert (caught.value.type, caught.value.status) == ("BadRequestResponseError", 400)


@pytest.mark.parametrize("package", ["npm", "PyPI"])
def test_documents_are_ranked(package: str, node: Node, recorder: Recorder, administration: Administration) -> None:
    key = administration.create("ranking")
    if package == "npm":
        request = {"model": MODEL, "query": "q", "documents": TEXTS, "topN": 1}
        ranking = snake(node.call("openrouter-newest", "rerank", recorder.api, key.string, request))
    else:
        with OpenRouter(api_key=key.string, server_url=recorder.api, retry_config=None) as sdk:
            ranking = sdk.rerank.rerank(model=MODEL, query="q", documents=TEXTS, top_n=1).model_dump(by_alias=True)
    [result] = ranking["results"]
    assert (result["index"], result["document"]["text"]) == (0, "one")
    assert str(administration.assert_told_is_spent(key)) == COST
