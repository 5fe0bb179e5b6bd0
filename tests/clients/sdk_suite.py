"""What every one of OpenRouter's SDKs must be able to do; a test file gives it an `sdk`.

An answer that an SDK's own schemas reject raises in the call, and fails the test.
"""

from typing import Any

import pytest

from administration import Administration
from examples import assert_shows
from gateway import Gateway
from package import Refused
from sdks import Sdk
from spelling import dated

MODEL = "keyway/echo"
UNKNOWN_KEY = "sk-or-v1-" + "0" * 64
UNKNOWN_HASH = "0" * 64
# Four tokens in and four out.
SAID = "sixteen bytes :)"
COST = 0.000012

# The class that each status surfaces as.
TYPED = {
    400: "BadRequestResponseError",
    401: "UnauthorizedResponseError",
    402: "PaymentRequiredResponseError",
    403: "ForbiddenResponseError",
    404: "NotFoundResponseError",
    503: "ServiceUnavailableResponseError",
}
UNTYPED = "OpenRouterDefaultError"


def asked(content: str = SAID, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": content}]} | more


class SdkSuite:
    """Subclasses say which errors this SDK has no class for."""

    other_types: dict[tuple[str, int], str] = {}

    @pytest.mark.parametrize("time", ["once", "again"])
    def test_a_key_from_creation_to_deletion(self, sdk: Sdk, gateway: Gateway, time: str) -> None:
        manager = gateway.management_key
        created = sdk.create(
            manager,
            name=f"created {time}",
            limit=12.5,
            limit_reset="monthly",
            include_byok_in_limit=True,
            expires_at=dated("2099-12-31T23:59:59Z"),
        )
        key, hash = created["data"], created["data"]["hash"]
        assert created["key"].startswith("sk-or-v1-")
        terms = {"limit": 12.5, "limit_remaining": 12.5, "limit_reset": "monthly", "include_byok_in_limit": True}
        assert_shows(key, terms | {"name": f"created {time}", "disabled": False, "usage": 0, "updated_at": None})
        assert str(key["expires_at"]).startswith("2099-12-31")
        assert sdk.get(manager, hash)["data"] == key
        assert sdk.keys(manager)["data"][0] == key
        assert sdk.current(created["key"])["data"]["label"] == key["label"]

        changed = sdk.update(manager, hash, name="changed", disabled=True)["data"]
        assert_shows(changed, terms | {"name": "changed", "disabled": True})
        assert changed["updated_at"] is not None
        assert hash not in hashes(sdk.keys(manager))
        assert hash in hashes(sdk.keys(manager, include_disabled=True))

        assert sdk.delete(manager, hash)["deleted"] is True
        self.assert_refused(404, "get", lambda: sdk.get(manager, hash))
        self.assert_refused(404, "delete", lambda: sdk.delete(manager, hash))

    def test_null_clears_and_absence_keeps(self, sdk: Sdk, gateway: Gateway) -> None:
        manager = gateway.management_key
        hash = sdk.create(manager, name="nulls", limit=3, limit_reset="daily")["data"]["hash"]
        kept = sdk.update(manager, hash, name="still limited")["data"]
        assert_shows(kept, {"limit": 3, "limit_remaining": 3, "limit_reset": "daily"})
        unlimited = sdk.update(manager, hash, limit=None, limit_reset=None)["data"]
        assert_shows(unlimited, {"name": "still limited", "limit": None, "limit_remaining": None, "limit_reset": None})

    def test_the_list_goes_on_after_a_page(self, sdk: Sdk, administration: Administration, gateway: Gateway) -> None:
        made = [administration.create(f"number {number}").hash for number in range(101)]
        newest_first = list(reversed(made))
        first, second = (sdk.keys(gateway.management_key, offset=offset) for offset in (0, 100))
        assert hashes(first) == newest_first[:100]
        assert hashes(second)[:1] == newest_first[100:]

    def test_keys_tell_what_they_are(self, sdk: Sdk, administration: Administration, gateway: Gateway) -> None:
        key = administration.create("who am I", limit=5)
        shown = sdk.current(key.string)["data"]
        assert_shows(shown, {"limit": 5, "limit_remaining": 5, "usage": 0, "is_provisioning_key": False})
        assert sdk.current(gateway.management_key)["data"]["is_provisioning_key"] is True

    def test_a_completion_is_charged_as_told(self, sdk: Sdk, administration: Administration) -> None:
        key = administration.create("plain")
        answer = sdk.chat(key.string, **asked())
        [choice] = answer["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == (SAID, "stop")
        assert_shows(answer["usage"], {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8})
        if sdk.shows_cost:
            assert answer["usage"]["cost"] == COST
        assert str(administration.assert_told_is_spent(key)) == "0.000012"

    def test_a_stream_is_charged_as_told(self, sdk: Sdk, administration: Administration) -> None:
        key = administration.create("stream")
        *spoken, last = sdk.stream(key.string, **asked())
        text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in spoken)
        assert (text, spoken[-1]["choices"][0]["finish_reason"]) == (SAID, "stop")
        assert_shows(last["usage"], {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8})
        if sdk.shows_cost:
            assert last["usage"]["cost"] == COST
        assert str(administration.assert_told_is_spent(key)) == "0.000012"

    def test_an_answer_is_cut_at_max_tokens(self, sdk: Sdk, administration: Administration) -> None:
        key = administration.create("cut")
        answer = sdk.chat(key.string, **asked(max_tokens=1))
        [choice] = answer["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == (SAID[:4], "length")
        assert str(administration.assert_told_is_spent(key)) == "0.000006"

    @pytest.mark.parametrize("kind", ["chat", "stream"])
    def test_limits_bite(self, sdk: Sdk, administration: Administration, kind: str) -> None:
        ask = getattr(sdk, kind)
        spent = administration.create("one request", limit=COST)
        ask(spent.string, **asked())
        exhausted = self.assert_refused(403, "chat", lambda: ask(spent.string, **asked()))
        assert "Key limit exceeded (total limit)." in exhausted.message
        assert str(administration.assert_told_is_spent(spent)) == "0.000012"

        poor = administration.create("not even one", limit=0.000008)
        refused = self.assert_refused(402, "chat", lambda: ask(poor.string, **asked()))
        assert "You requested up to 4 tokens, but can only afford 2" in refused.message
        assert administration.assert_told_is_spent(poor) == 0

    def test_what_a_provider_fails_at_is_free(self, sdk: Sdk, administration: Administration) -> None:
        key = administration.create("failing", limit=1)
        self.assert_refused(503, "chat", lambda: sdk.chat(key.string, **asked(f"#echo fail=503\n{SAID}")))
        chunks = sdk.stream(key.string, **asked(f"#echo cut_after=2\n{SAID}"))
        assert isinstance(chunks[-1]["error"]["code"], int), "a stream that breaks off says so"
        assert_shows(administration.find(key.hash), {"usage": 0, "limit_remaining": 1})

    def test_models_are_listed(self, sdk: Sdk, administration: Administration) -> None:
        key = administration.create("models")
        assert MODEL in [model["id"] for model in sdk.models(key.string)]

    def test_refusals_have_their_types(self, sdk: Sdk, administration: Administration, gateway: Gateway) -> None:
        manager, user = gateway.management_key, administration.create("refused").string
        self.assert_refused(401, "create", lambda: sdk.create(UNKNOWN_KEY, name="x"))
        self.assert_refused(401, "list", lambda: sdk.keys(UNKNOWN_KEY))
        self.assert_refused(401, "current", lambda: sdk.current(UNKNOWN_KEY))
        self.assert_refused(403, "create", lambda: sdk.create(user, name="x"))
        self.assert_refused(403, "list", lambda: sdk.keys(user))
        self.assert_refused(400, "create", lambda: sdk.create(manager, name=""))
        self.assert_refused(400, "create", lambda: sdk.create(manager, name="x", limit=-1))
        self.assert_refused(400, "create", lambda: sdk.create(manager, name="x", expires_at=dated("2020-01-01T00:00:00Z")))
        self.assert_refused(404, "get", lambda: sdk.get(manager, UNKNOWN_HASH))
        self.assert_refused(404, "update", lambda: sdk.update(manager, UNKNOWN_HASH, name="x"))
        self.assert_refused(400, "chat", lambda: sdk.chat(user, **asked(model="no/such-model")))
        self.assert_refused(401, "chat", lambda: sdk.chat(UNKNOWN_KEY, **asked()))
        self.assert_refused(403, "chat", lambda: sdk.chat(manager, **asked()))

    def assert_refused(self, status: int, operation: str, call) -> Refused:
        """The call raises the class that this SDK has for the status."""
        with pytest.raises(Refused) as caught:
            call()
        error = caught.value
        expected = self.other_types.get((operation, status), TYPED[status])
        assert (error.status, error.type) == (status, expected), error
        return error


def hashes(listed: dict[str, Any]) -> list[str]:
    return [key["hash"] for key in listed["data"]]
