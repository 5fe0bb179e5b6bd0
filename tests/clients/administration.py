"""The operator's side of a test: makes keys, and compares what they spent with what clients were told."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests

from exchange import Exchange, exact_json
from recorder import Recorder


@dataclass(frozen=True)
class Key:
    string: str
    hash: str


class Administration:
    def __init__(self, recorder: Recorder, management_key: str):
        self._recorder = recorder
        self._keys = f"{recorder.api}/keys"
        self._authorization = {"Authorization": f"Bearer {management_key}"}

    def create(self, name: str, **terms: Any) -> Key:
        answer = requests.post(self._keys, headers=self._authorization, json={"name": name} | terms)
        assert answer.status_code == 201, answer.text
        created = answer.json()
        return Key(created["key"], created["data"]["hash"])

    def find(self, hash: str) -> dict[str, Any] | None:
        """The key object with its numbers as written; `None` where there is none."""
        answer = requests.get(f"{self._keys}/{hash}", headers=self._authorization)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return exact_json(answer.text)["data"]

    def seen_by(self, string: str) -> dict[str, Any]:
        """What a key string is told about itself, which only one that works is."""
        answer = requests.get(f"{self._recorder.api}/key", headers={"Authorization": f"Bearer {string}"})
        assert answer.status_code == 200, answer.text
        return exact_json(answer.text)["data"]

    def told(self, key: Key) -> Decimal:
        """The sum of the costs that clients of `key` were told in this test."""
        bearer = f"Bearer {key.string}"
        return sum(
            (
                _cost(exchange)
                for exchange in self._recorder.exchanges()
                if exchange.method == "POST"
                and exchange.status == 200
                and (headers := exchange.request_headers)
                and (headers.get("authorization") == bearer or headers.get("x-api-key") == key.string)
            ),
            Decimal(),
        )

    def assert_told_is_spent(self, key: Key) -> Decimal:
        """Digit for digit."""
        spent = Decimal(self.find(key.hash)["usage"])
        assert spent == self.told(key)
        return spent


def _cost(exchange: Exchange) -> Decimal:
    """The cost of an answer, wherever its dialect says it."""
    answers = exchange.chunks if exchange.streams else [exchange.json]
    usages = [(answer.get("response") or answer).get("usage") or {} for answer in answers]
    return sum((Decimal(usage["cost"]) for usage in usages if "cost" in usage), Decimal())
