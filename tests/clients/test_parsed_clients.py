"""Structured output by the calls that read it for the program."""

from typing import Any

import pytest
from pydantic import BaseModel

import provider
from administration import Administration
from node import Node
from packages import opened
from recorder import Recorder

MODEL = "scripted/model"


class Person(BaseModel):
    name: str
    age: int


SCHEMA = Person.model_json_schema() | {"additionalProperties": False}
JSON_SCHEMA = {"name": "person", "schema": SCHEMA, "strict": True}
MESSAGES = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Who?"}]}
INPUT = {"model": MODEL, "max_output_tokens": 100, "input": "Who?"}
# The call; its request; how npm's packages are told the schema, and how PyPI's, which take a class for one.
CALLS: list[tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        "openai",
        "chat.completions.parse",
        MESSAGES,
        {"response_format": {"type": "json_schema", "json_schema": JSON_SCHEMA}},
        {"response_format": Person},
    ),
    (
        "openai",
        "responses.parse",
        INPUT,
        {"text": {"format": {"type": "json_schema"} | JSON_SCHEMA}},
        {"text_format": Person},
    ),
    (
        "anthropic",
        "messages.parse",
        MESSAGES,
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output_format": Person},
    ),
    (
        "anthropic",
        "beta.messages.parse",
        MESSAGES,
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output_format": Person},
    ),
]


@pytest.mark.parametrize("package", ["npm", "PyPI"])
@pytest.mark.parametrize(
    ("client", "method", "request_", "of_npm", "of_pypi"), CALLS, ids=[f"{one[0]}-{one[1]}" for one in CALLS]
)
def test_an_answer_is_read_by_its_schema(
    package: str,
    client: str,
    method: str,
    request_: dict[str, Any],
    of_npm: dict[str, Any],
    of_pypi: dict[str, Any],
    node: Node,
    recorder: Recorder,
    administration: Administration,
) -> None:
    key = administration.create("parsed")
    asked = request_ | (of_npm if package == "npm" else of_pypi)
    answer = opened(f"{package} {client}", node, recorder.api).call(key.string, method, **asked)
    assert str(administration.assert_told_is_spent(key)) == provider.COST
    assert read(answer) == ('{"name": "Ada", "age": 36}', provider.OBJECT if client == "openai" else None)


def read(answer: dict[str, Any]) -> tuple[str, Any]:
    """What was said, and what the package made of it; where the `anthropic` packages put that does not show here."""
    if "choices" in answer:
        part = answer["choices"][0]["message"]
        return part["content"], part["parsed"]
    part = (answer["output"][0] if "output" in answer else answer)["content"][0]
    return part["text"], part.get("parsed")
