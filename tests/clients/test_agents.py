"""What packages do by themselves around a model: they call the program's functions, and tell the model what came."""

from typing import Any

import pytest

import provider
from administration import Administration
from node import Node
from recorder import Recorder

MODEL = "scripted/model"
SAID = "".join(provider.SAID)
ASKED = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "The weather?"}]}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("package", ["openai", "anthropic"])
def test_functions_are_called(
    package: str, stream: bool, node: Node, recorder: Recorder, administration: Administration
) -> None:
    """`runTools` of one, `toolRunner` of the other."""
    key = administration.create("runner")
    told = node.call("agents", package, recorder.api, key.string, ASKED | {"stream": stream})
    assert told == {"asked": [provider.ARGUMENTS], "said": SAID}
    assert str(administration.assert_told_is_spent(key)) == "0.000036"


def test_openrouters_sdk_asks_by_itself(node: Node, recorder: Recorder, administration: Administration) -> None:
    """`callModel` streams a response, however its answer is taken."""
    key = administration.create("callModel")
    request: dict[str, Any] = {"model": MODEL, "input": "Hello", "maxOutputTokens": 100}
    assert node.call("agents", "openrouter", recorder.api, key.string, request) == {"said": SAID}
    assert str(administration.assert_told_is_spent(key)) == provider.COST
