"""PyPI `openrouter`, whose schemas are the strictest."""

import time
from datetime import datetime, timedelta, timezone

import pytest

from gateway import Gateway
from node import Node
from packages import opened
from recorder import Recorder
from sdk_suite import UNTYPED, SdkSuite, hashes
from sdks import Sdk

EXPIRY_SECONDS_MAX = 10


class TestPython(SdkSuite):
    other_types = {("list", 403): UNTYPED}

    @pytest.fixture
    def sdk(self, node: Node, recorder: Recorder) -> Sdk:
        return Sdk(opened("PyPI openrouter", node, recorder.api))

    def test_expired_keys_are_listed_when_asked_for(self, sdk: Sdk, gateway: Gateway) -> None:
        """Only this SDK knows `include_expired`."""
        manager = gateway.management_key
        soon = datetime.now(timezone.utc) + timedelta(seconds=3)
        created = sdk.create(manager, name="short-lived", expires_at=soon)
        hash = created["data"]["hash"]
        deadline = time.monotonic() + EXPIRY_SECONDS_MAX
        while hash in hashes(sdk.keys(manager)):
            assert time.monotonic() < deadline, "an expired key is still listed"
        assert hash in hashes(sdk.keys(manager, include_expired=True))
        assert sdk.get(manager, hash)["data"]["hash"] == hash
        self.assert_refused(401, "current", lambda: sdk.current(created["key"]))
