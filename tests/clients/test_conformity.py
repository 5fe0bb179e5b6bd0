"""The checks that every test relies on: each real answer, spoiled in one way, is found out."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from administration import Administration
from conformity import violations
from description import Description
from exchange import Exchange
from gateway import Gateway
from recorder import Recorder
from sdk_suite import asked

Spoil = Callable[[Exchange], Exchange]


@pytest.fixture
def answers(recorder: Recorder, administration: Administration, gateway: Gateway) -> dict[str, Exchange]:
    """One answer of each sort."""
    key = administration.create("to be spoiled", limit=1, expires_at="2099-01-01T00:00:00Z")
    chat = {"url": f"{recorder.api}/chat/completions", "headers": {"Authorization": f"Bearer {key.string}"}}
    # Long enough for a cost that Python, too, writes without an exponent.
    requests.post(**chat, json=asked("word" * 1000))
    requests.post(**chat, json=asked("word" * 1000, stream=True))
    requests.get(f"{recorder.api}/keys")
    requests.get(f"{recorder.api}/no/such/route")
    return dict(zip(["created", "completion", "stream", "refused", "unknown"], recorder.exchanges(), strict=True))


def body(change: Callable[[dict[str, Any]], object]) -> Spoil:
    """Changes the JSON of an answer."""

    def spoil(exchange: Exchange) -> Exchange:
        value = json.loads(exchange.body)
        change(value)
        return replace(exchange, body=json.dumps(value).encode())

    return spoil


def text(old: str, new: str) -> Spoil:
    """Changes the text of an answer."""

    def spoil(exchange: Exchange) -> Exchange:
        assert old.encode() in exchange.body
        return replace(exchange, body=exchange.body.replace(old.encode(), new.encode(), 1))

    return spoil


def events(change: Callable[[list[str]], list[str]]) -> Spoil:
    """Changes the sequence of a stream's events."""

    def spoil(exchange: Exchange) -> Exchange:
        return replace(exchange, body="".join(f"data: {event}\n\n" for event in change(exchange.events)).encode())

    return spoil


def without_content_type(exchange: Exchange) -> Exchange:
    return replace(exchange, headers=type(exchange.headers)())


SPOILED = {
    "another status": ("created", lambda answer: replace(answer, status=200), "no description lists this status"),
    "a field missing": (
        "created",
        body(lambda answer: answer["data"].pop("usage_daily")),
        "'usage_daily' is a required",
    ),
    "money as text": ("created", body(lambda answer: answer["data"].update(usage="0")), "'0' is not of type"),
    "a null too many": ("created", body(lambda answer: answer["data"].update(name=None)), "None is not of type"),
    "a date to the minute": (
        "created",
        body(lambda answer: answer["data"].update(expires_at="2099-01-01T00:00Z")),
        "is not a 'date-time'",
    ),
    "an exponent": ("created", text('"usage":0', '"usage":1e-9'), "written with an exponent"),
    "a name twice": ("created", text('"usage":0', '"usage":0,"usage":0'), "names ['usage'] twice"),
    "not a number": ("created", text('"usage":0', '"usage":NaN'), "NaN is not JSON"),
    "another type": ("created", without_content_type, "is not one of ['application/json']"),
    "broken off": ("created", lambda answer: replace(answer, whole=False), "breaks off"),
    "no cost": ("completion", body(lambda answer: answer["usage"].pop("cost")), "$.usage.cost is missing"),
    "a null usage": ("completion", body(lambda answer: answer.update(usage=None)), "None is not of type"),
    "another id": ("completion", body(lambda answer: answer.update(id="gen-other")), "not one generation id"),
    "an error that is null": ("stream", text('"object":', '"error":null,"object":'), "an error that is null"),
    "a chunk without a model": ("stream", text('"model":', '"mode":'), "event 0: $.data: 'model' is a required"),
    "no end": ("stream", events(lambda all: all[:-1]), "does not end with [DONE]"),
    "more after the end": ("stream", events(lambda all: [*all, all[0]]), "[DONE] is not the end"),
    "usage too early": (
        "stream",
        events(lambda all: [all[-2], *all[:-2], all[-1]]),
        "usage belongs into the last chunk",
    ),
    "no usage": ("stream", events(lambda all: [*all[:-2], all[-1]]), "usage belongs into the last chunk"),
    "an unended event": (
        "stream",
        lambda answer: replace(answer, body=answer.body.rstrip(b"\n")),
        "does not end with [DONE]",
    ),
    "a code as text": ("refused", body(lambda answer: answer["error"].update(code="401")), "$.error.code"),
    "another code": ("refused", body(lambda answer: answer["error"].update(code=400)), "$.error.code"),
    "no message": ("refused", body(lambda answer: answer["error"].pop("message")), "$.error.message"),
    "no envelope": ("refused", body(lambda answer: answer.update(error="no")), "no error envelope"),
    "HTML": ("refused", lambda answer: replace(without_content_type(answer), body=b"<html>"), "not JSON"),
    "a teapot": (
        "refused",
        lambda answer: replace(body(lambda it: it["error"].update(code=418))(answer), status=418),
        "no description lists",
    ),
    "a route from nowhere": ("unknown", lambda answer: replace(answer, status=200), "no description knows"),
}
# What only the reference description says of these.
ONLY_BY_REFERENCE = {"a chunk without a model", "a null usage"}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_spoiled_is_found_out(
    name: str, answers: dict[str, Exchange], descriptions: list[Description], request: pytest.FixtureRequest
) -> None:
    if name in ONLY_BY_REFERENCE:
        request.getfixturevalue("contract_dir")
    sort, spoil, expected = SPOILED[name]
    assert violations(answers[sort], descriptions) == []
    found = violations(spoil(answers[sort]), descriptions)
    assert any(expected in violation for violation in found), found


def test_the_reference_knows_what_keyway_serves(descriptions: list[Description], contract_dir: Path) -> None:
    """A path spelled otherwise would be checked against nothing but ourselves."""
    reference = descriptions[0]
    operations = [("GET", "/keys"), ("POST", "/keys/"), ("DELETE", "/keys/00"), ("GET", "/key"), ("GET", "/models")]
    for method, path in [*operations, ("POST", "/chat/completions")]:
        assert reference.operation(method, f"/api/v1{path}"), f"{method} {path}"
