"""The documentation's example with plain `fetch`, as it stands."""

from pathlib import Path

import pytest

import examples
from administration import Administration
from gateway import Gateway
from node import Node
from recorder import Recorder


@pytest.mark.parametrize("time", ["once", "again"])
def test_the_example(
    time: str, contract_dir: Path, node: Node, recorder: Recorder, administration: Administration, gateway: Gateway
) -> None:
    key = administration.create(f"for the example, {time}")
    before = len(recorder.exchanges())
    values = {
        examples.BASE_URL: recorder.api,
        examples.KEY: gateway.management_key,
        examples.HASH: key.hash,
    }
    code = examples.filled_in(examples.block(contract_dir, "TypeScript (fetch)"), values)
    node.call("example", "runFetch", recorder.api, "", code)
    examples.assert_story(recorder.exchanges()[before:], administration, key)
