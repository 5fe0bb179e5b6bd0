"""The key management examples of the reference material, run as they stand."""

import re
import textwrap
from pathlib import Path
from typing import Any

from administration import Administration, Key
from exchange import Exchange

FILE = "key-management-examples.md"
BASE_URL = "https://openrouter.ai/api/v1"
KEY = "your-provisioning-key"
HASH = "<YOUR_KEY_HASH>"

# What the example asks for, and what the key shows after it.
CREATED = {"limit": 1000, "limit_remaining": 1000, "limit_reset": None}
UPDATED = {"name": "Updated Key Name", "disabled": True, "include_byok_in_limit": False, "limit_reset": "daily"}


def block(contract_dir: Path, title: str) -> str:
    """The code under this title."""
    text = (contract_dir / FILE).read_text()
    found = re.findall(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```', text, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"{FILE} has {len(found)} blocks with the title {title}"
    return textwrap.dedent(found[0])


def filled_in(code: str, values: dict[str, str]) -> str:
    """The code with each placeholder replaced; every one has to be there."""
    for placeholder, value in values.items():
        assert placeholder in code, f"the example does not say {placeholder}"
        code = code.replace(placeholder, value)
    return code


def assert_story(exchanges: list[Exchange], administration: Administration, key: Key) -> None:
    """The example's six calls, each answered as it should be."""
    first, second, created, got, updated, deleted = exchanges
    for listed in (first, second):
        assert (listed.method, listed.path, listed.status) == ("GET", "/api/v1/keys", 200)
        assert len(listed.json["data"]) <= 100
    assert first.json["data"][0]["hash"] == key.hash, "the newest comes first"
    assert second.target.endswith("?offset=100")

    assert (created.method, created.path.rstrip("/"), created.status) == ("POST", "/api/v1/keys", 201)
    assert created.json["key"].startswith("sk-or-v1-")
    assert_shows(
        created.json["data"],
        CREATED | {"name": "Customer Instance Key", "usage": 0, "updated_at": None, "disabled": False},
    )
    assert_shows(administration.seen_by(created.json["key"]), CREATED | {"label": created.json["data"]["label"]})

    of_key = f"/api/v1/keys/{key.hash}"
    assert (got.method, got.path, got.status) == ("GET", of_key, 200)
    assert got.json["data"]["hash"] == key.hash

    assert (updated.method, updated.path, updated.status) == ("PATCH", of_key, 200)
    assert_shows(updated.json["data"], UPDATED)
    assert updated.json["data"]["updated_at"] is not None

    assert (deleted.method, deleted.path, deleted.status) == ("DELETE", of_key, 200)
    assert deleted.json["deleted"] is True
    assert administration.find(key.hash) is None, "a deleted key is gone"


def assert_shows(shown: dict[str, Any], expected: dict[str, Any]) -> None:
    assert {name: shown[name] for name in expected} == expected
