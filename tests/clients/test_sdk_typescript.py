"""npm `@openrouter/sdk`: its newest version, and 0.1 from the time of the documentation's examples."""

from pathlib import Path

import pytest

import examples
from administration import Administration
from gateway import Gateway
from node import Node
from packages import opened
from recorder import Recorder
from sdk_suite import UNTYPED, SdkSuite
from sdks import Sdk


class TestNewest(SdkSuite):
    other_types = {("list", 403): UNTYPED}

    @pytest.fixture
    def sdk(self, node: Node, recorder: Recorder) -> Sdk:
        return Sdk(opened("npm openrouter", node, recorder.api))


class TestOld(SdkSuite):
    """Its chat knows three statuses, and one class for them."""

    other_types = {
        ("create", 403): UNTYPED,
        ("list", 403): UNTYPED,
        ("chat", 400): "ChatError",
        ("chat", 401): "ChatError",
        ("chat", 402): UNTYPED,
        ("chat", 403): UNTYPED,
        ("chat", 503): UNTYPED,
    }

    @pytest.fixture
    def sdk(self, node: Node, recorder: Recorder) -> Sdk:
        return Sdk(opened("npm openrouter 0.1", node, recorder.api))


@pytest.mark.parametrize("time", ["once", "again"])
@pytest.mark.parametrize("version", ["openrouter-newest", "openrouter-0.1"])
def test_the_example(
    version: str,
    time: str,
    contract_dir: Path,
    node: Node,
    recorder: Recorder,
    administration: Administration,
    gateway: Gateway,
) -> None:
    key = administration.create(f"for the example, {time}")
    before = len(recorder.exchanges())
    values = {examples.KEY: gateway.management_key, examples.HASH: key.hash}
    code = examples.filled_in(examples.block(contract_dir, "TypeScript SDK"), values)
    results = node.call("example", "runSdk", recorder.api, "", version, code)
    examples.assert_story(recorder.exchanges()[before:], administration, key)
    assert results["newKey"]["key"].startswith("sk-or-v1-")
    assert results["key"]["data"]["hash"] == key.hash
    examples.assert_shows(results["updatedKey"]["data"], {"disabled": True, "limitReset": "daily"})
