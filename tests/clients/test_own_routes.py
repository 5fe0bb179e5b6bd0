"""What Keyway has beyond the contract, and what holds on every route, seen by a plain client.

That each answer is as `/api/v1/openapi.json` describes it is the recorder's to check.
"""

from typing import Any

import pytest
import requests

from administration import Administration
from gateway import Gateway
from recorder import Recorder

PLAIN = ["/key", "/auth/key", "/keys", "/management-keys", "/models", "/openapi.json"]


@pytest.fixture
def manager(gateway: Gateway, recorder: Recorder) -> "Manager":
    return Manager(recorder.api, gateway.management_key)


class Manager:
    """Calls as the operator; follows no redirect."""

    def __init__(self, api: str, key: str):
        self._api = api
        self._key = key

    def __call__(self, method: str, path: str, status: int, headers: dict[str, str] | None = None, **body: Any) -> Any:
        answer = requests.request(
            method,
            f"{self._api}{path}",
            headers={"Authorization": f"Bearer {self._key}"} | (headers or {}),
            json=body or None,
            allow_redirects=False,
        )
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.mark.parametrize("path", PLAIN)
def test_a_slash_at_the_end_changes_nothing(path: str, manager: Manager) -> None:
    assert manager("GET", path, 200) == manager("GET", f"{path}/", 200)


def test_errors_are_json_wherever_they_come_from(manager: Manager) -> None:
    manager("GET", "/no/such/route", 404)
    manager("PUT", "/keys", 405)
    manager("POST", "/keys", 400, name="x", limit="ten")
    manager("POST", "/keys", 413, name="x" * 10_000_000)


def test_a_rotated_key_goes_on_under_a_new_hash(manager: Manager, administration: Administration) -> None:
    key = administration.create("rotated", limit=2)
    rotated = manager("POST", f"/keys/{key.hash}/rotate", 201, grace_period_seconds=60)
    assert rotated["data"]["hash"] != key.hash
    assert administration.seen_by(key.string)["label"] == administration.seen_by(rotated["key"])["label"]
    assert (
        manager("GET", f"/keys/{key.hash}", 200)["data"]
        == manager("GET", f"/keys/{rotated['data']['hash']}", 200)["data"]
    )


def test_a_creation_that_is_repeated_answers_the_same(manager: Manager) -> None:
    once = {"Idempotency-Key": "a creation, once"}
    first = manager("POST", "/keys", 201, once, name="only one", limit=1)
    assert manager("POST", "/keys", 201, once, name="only one", limit=1) == first
    manager("POST", "/keys", 422, once, name="another", limit=1)
    manager("DELETE", f"/keys/{first['data']['hash']}", 200)
    manager("POST", "/keys", 409, once, name="only one", limit=1)


def test_the_list_can_be_searched_and_walked(manager: Manager, administration: Administration) -> None:
    made = [administration.create(f"needle {number}").hash for number in range(3)]
    administration.create("hay")
    found = manager("GET", "/keys?q=needle&limit=2", 200)["data"]
    assert [key["hash"] for key in found] == [made[2], made[1]]
    rest = manager("GET", f"/keys?q=needle&limit=2&after={made[1]}", 200)["data"]
    assert [key["hash"] for key in rest] == [made[0]]


def test_management_keys_are_made_and_revoked(manager: Manager, recorder: Recorder) -> None:
    created = manager("POST", "/management-keys", 201, name="a second operator")
    hash = created["data"]["hash"]
    second = Manager(recorder.api, created["key"])
    assert hash in [key["hash"] for key in second("GET", "/management-keys", 200)["data"]]
    assert hash not in [key["hash"] for key in manager("GET", "/keys?limit=1000", 200)["data"]]
    manager("DELETE", f"/management-keys/{hash}", 200)
    second("GET", "/management-keys", 401)
