"""The documentation's Python example, as it stands: with `requests`, and a slash after `/keys` in POST."""

from pathlib import Path

import pytest

import examples
from administration import Administration
from gateway import Gateway
from recorder import Recorder


@pytest.mark.parametrize("time", ["once", "again"])
def test_the_example(
    time: str, contract_dir: Path, recorder: Recorder, administration: Administration, gateway: Gateway
) -> None:
    key = administration.create(f"for the example, {time}")
    before = len(recorder.exchanges())
    values = {
        examples.BASE_URL: recorder.api,
        examples.KEY: gateway.management_key,
        examples.HASH: key.hash,
    }
    exec(examples.filled_in(examples.block(contract_dir, "Python"), values), {})
    story = recorder.exchanges()[before:]
    examples.assert_story(story, administration, key)
    assert story[2].path == "/api/v1/keys/", "the slash is in the example"
