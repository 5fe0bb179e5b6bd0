"""What OpenRouter's SDKs offer besides keys and answers: credentials, credits, activity, generations, the catalogue."""

import time
from typing import Any

import pytest

import provider
from administration import Administration
from gateway import Gateway
from node import Node
from package import Package, Refused
from packages import opened
from recorder import Recorder

AUTHOR, SLUG = "scripted", "model"
MODEL = f"{AUTHOR}/{SLUG}"
# Seals nothing but what this test makes: the provider does not look at it.
CREDENTIAL = "sk-upstream-0123456789abcdef"
SAID = "".join(provider.SAID)
WRITTEN_SECONDS_MAX = 30
ALL = ["npm openrouter", "npm openrouter 0.1", "PyPI openrouter"]
NEWEST = ["npm openrouter", "PyPI openrouter"]


@pytest.fixture
def sdk(request: pytest.FixtureRequest, node: Node, recorder: Recorder) -> Package:
    return opened(request.param, node, recorder.api)


def of(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sdk", names, indirect=True)


def asked(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]} | more


@of(NEWEST)
def test_a_credential_from_creation_to_deletion(sdk: Package, gateway: Gateway, administration: Administration) -> None:
    manager = gateway.management_key
    key = administration.create("its only user")
    created = sdk.call(
        manager,
        "byok.create",
        provider="openai",
        key=CREDENTIAL,
        name="mine",
        allowed_models=[MODEL],
        allowed_api_key_hashes=[key.hash],
        is_fallback=True,
    )["data"]
    assert (created["provider"], created["name"], created["is_fallback"], created["disabled"]) == ("openai", "mine", True, False)
    assert CREDENTIAL not in str(created)
    try:
        assert sdk.call(manager, "byok.get", id=created["id"])["data"] == created
        assert created in sdk.items(manager, "byok.list")
        assert created in sdk.items(manager, "byok.list", provider="openai")
        changed = sdk.call(manager, "byok.update", id=created["id"], disabled=True, name=None, allowed_models=None)["data"]
        assert (changed["disabled"], changed["name"], changed["allowed_models"]) == (True, None, None)
        assert changed["allowed_api_key_hashes"] == [key.hash]
        rotated = sdk.call(manager, "byok.update", id=created["id"], key="sk-another-0123456789abcdef")["data"]
        assert rotated["label"] != changed["label"] or rotated["id"] == changed["id"]
    finally:
        assert sdk.call(manager, "byok.delete", id=created["id"])["deleted"] is True
    for method in ("byok.get", "byok.delete"):
        with pytest.raises(Refused) as caught:
            sdk.call(manager, method, id=created["id"])
        assert (caught.value.status, caught.value.type) == (404, "NotFoundResponseError")


@of(NEWEST)
def test_credentials_are_the_managers_and_have_to_be_whole(
    sdk: Package, gateway: Gateway, administration: Administration
) -> None:
    user = administration.create("no manager").string
    with pytest.raises(Refused) as caught:
        sdk.items(user, "byok.list")
    assert caught.value.status == 403
    with pytest.raises(Refused) as caught:
        sdk.call(gateway.management_key, "byok.create", provider="openai", key="k", allowed_api_key_hashes=["0" * 64])
    assert (caught.value.status, caught.value.type) == (400, "BadRequestResponseError")


@of(ALL)
def test_credits_are_told(sdk: Package, gateway: Gateway) -> None:
    told = sdk.call(gateway.management_key, "credits.get_credits")
    # The old version's types know no field of it.
    assert sdk.name.endswith("0.1") or set(told["data"]) == {"total_credits", "total_usage"}


@of(ALL)
def test_activity_is_told(sdk: Package, gateway: Gateway, administration: Administration) -> None:
    """Of days that have ended: on its first one an installation has none."""
    assert sdk.call(gateway.management_key, "analytics.get_user_activity")["data"] == []
    with pytest.raises(Refused) as caught:
        sdk.call(administration.create("no manager").string, "analytics.get_user_activity")
    assert caught.value.status == 403


@of(ALL)
def test_a_generation_is_told(sdk: Package, administration: Administration) -> None:
    key = administration.create("generation")
    for ask in (sdk.call, sdk.stream):
        id = generation(ask(key.string, "chat.send", **asked()))
        told = sdk.call(key.string, "generations.get_generation", id=id)["data"]
        assert (told["id"], told["model"], told["streamed"]) == (id, MODEL, ask == sdk.stream)
        assert str(told["total_cost"]) in (provider.COST, "1.8e-05")
    with pytest.raises(Refused) as caught:
        sdk.call(key.string, "generations.get_generation", id="gen-none")
    assert (caught.value.status, caught.value.type) == (404, "NotFoundResponseError")


@of(NEWEST)
def test_what_was_said_is_told_where_it_is_kept(sdk: Package, administration: Administration) -> None:
    key = administration.create("kept", log_content=True)
    for ask in (sdk.call, sdk.stream):
        told = said(sdk, key.string, generation(ask(key.string, "chat.send", **asked())))
        assert told["input"]["messages"] == [{"role": "user", "content": "Hello"}]
        assert told["output"]["completion"] == SAID
    silent = administration.create("not kept").string
    id = generation(sdk.call(silent, "chat.send", **asked()))
    with pytest.raises(Refused) as caught:
        sdk.call(silent, "generations.list_generation_content", id=id)
    assert (caught.value.status, caught.value.type) == (404, "NotFoundResponseError")


def generation(answer: Any) -> str:
    """The id of an answer, or of the chunks of one."""
    return answer["id"] if isinstance(answer, dict) else answer[0]["id"]


def said(sdk: Package, key: str, id: str) -> dict[str, Any]:
    """It is written behind the answer's back."""
    deadline = time.monotonic() + WRITTEN_SECONDS_MAX
    while True:
        try:
            return sdk.call(key, "generations.list_generation_content", id=id)["data"]
        except Refused as error:
            assert error.status == 404 and time.monotonic() < deadline, error
        time.sleep(0.05)


@of(ALL)
def test_the_models_are_told(sdk: Package, administration: Administration) -> None:
    key = administration.create("models").string
    ids = [model["id"] for model in sdk.items(key, "models.list")]
    assert MODEL in ids
    assert sdk.call(key, "models.count")["data"]["count"] == len(ids)
    security: Any = {"bearer": key}
    assert MODEL in [model["id"] for model in sdk.items(key, "models.list_for_user", security=security)]
    assert isinstance(sdk.items(key, "embeddings.list_models"), list)


@of(NEWEST)
def test_the_models_are_told_page_by_page(sdk: Package, administration: Administration) -> None:
    key = administration.create("pages").string
    everything = sdk.items(key, "models.list")
    assert sdk.items(key, "models.list", limit=1) == everything
    assert sdk.items(key, "models.list", q="no such model") == []


@of(NEWEST)
def test_one_model_is_told(sdk: Package, administration: Administration) -> None:
    key = administration.create("model").string
    assert sdk.call(key, "models.get", author=AUTHOR, slug=SLUG)["data"]["id"] == MODEL
    with pytest.raises(Refused) as caught:
        sdk.call(key, "models.get", author=AUTHOR, slug="none")
    assert (caught.value.status, caught.value.type) == (404, "NotFoundResponseError")


@of(ALL)
def test_endpoints_and_providers_are_told(sdk: Package, administration: Administration) -> None:
    key = administration.create("endpoints").string
    told = sdk.call(key, "endpoints.list", author=AUTHOR, slug=SLUG)["data"]
    [endpoint] = told["endpoints"]
    assert (told["id"], endpoint["provider_name"]) == (MODEL, "FakeProvider")
    with pytest.raises(Refused) as caught:
        sdk.call(key, "endpoints.list", author=AUTHOR, slug="none")
    assert caught.value.status == 404
    assert "scripted" in [one["slug"] for one in sdk.call(key, "providers.list")["data"]]


@of(["npm openrouter 0.1"])
def test_the_parameters_of_a_model_are_told(sdk: Package, administration: Administration) -> None:
    """The one version that has this call."""
    key = administration.create("parameters").string
    security: Any = {"bearer": key}
    told = sdk.call(key, "parameters.get_parameters", security=security, author=AUTHOR, slug=SLUG)["data"]
    assert told["model"] == MODEL
