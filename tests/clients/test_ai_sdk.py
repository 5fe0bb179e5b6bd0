"""npm `ai` with `@openrouter/ai-sdk-provider`, with nothing but its base URL changed."""

from typing import Any

import pytest

import provider
from administration import Administration
from node import Node, Thrown
from recorder import Recorder

MODEL = "scripted/model"
SAID = "".join(provider.SAID)
PICTURE = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def ask(node: Node, recorder: Recorder):
    def call(method: str, key: str, **request: Any) -> Any:
        return node.call("ai", method, recorder.api, key, {"model": MODEL} | request)

    return call


def test_a_completion_is_charged_as_told(ask, administration: Administration) -> None:
    key = administration.create("plain")
    answer = ask("generate", key.string, prompt="Hello")
    assert (answer["text"], answer["finishReason"]) == (SAID, "stop")
    assert isinstance(answer["openrouter"]["provider"], str)
    assert answer["openrouter"]["usage"]["cost"] == float(provider.COST)
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_a_stream_is_charged_as_told(ask, administration: Administration) -> None:
    key = administration.create("stream")
    answer = ask("stream", key.string, prompt="Hello")
    assert (answer["text"], answer["finishReason"]) == (SAID, "stop")
    assert answer["usage"]["outputTokens"] == 4
    assert str(administration.assert_told_is_spent(key)) == provider.COST


EACH_WAY = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@EACH_WAY
def test_tools_are_called_and_their_results_told(ask, administration: Administration, stream: bool) -> None:
    told = ask("call", administration.create("tools").string, prompt="The weather?", stream=stream)
    assert told == {"asked": [provider.ARGUMENTS], "said": SAID}


@EACH_WAY
def test_schemas_are_kept(ask, administration: Administration, stream: bool) -> None:
    assert ask("object", administration.create("object").string, prompt="Who?", stream=stream) == provider.OBJECT


@EACH_WAY
def test_a_prompt_is_continued(ask, administration: Administration, stream: bool) -> None:
    key = administration.create("prompt")
    assert ask("complete", key.string, prompt="Once", stream=stream) == SAID
    assert str(administration.assert_told_is_spent(key)) == provider.COST


def test_pictures_are_seen(ask, administration: Administration) -> None:
    parts = [{"type": "image", "image": PICTURE}, {"type": "text", "text": "What is it?"}]
    messages = [{"role": "user", "content": parts}]
    assert ask("generate", administration.create("pictures").string, messages=messages)["text"] == "A picture."


def test_reasoning_is_told(ask, administration: Administration) -> None:
    options = {"openrouter": {"reasoning": {"effort": "low"}}}
    answer = ask("generate", administration.create("reasons").string, prompt="Hello", providerOptions=options)
    assert answer["reasoningText"] == provider.THOUGHT


def test_errors_are_thrown_before_and_after_the_first_byte(ask, administration: Administration) -> None:
    key = administration.create("broken off", limit=1)
    with pytest.raises(Thrown) as caught:
        ask("generate", key.string, prompt="#fail 503")
    assert caught.value.status == 503
    with pytest.raises(Thrown):
        ask("stream", key.string, prompt="#break")
    assert administration.find(key.hash)["usage"] == 0
