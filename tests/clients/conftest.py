"""Fixtures: one gateway for the session, and for each test a door to it that checks all that passes."""

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from administration import Administration
from conformity import violations
from description import Description
from gateway import Gateway
from node import Node
from provider import Provider
from recorder import Recorder

HERE = Path(__file__).parent
CONTRACT_DIR = os.environ.get("KEYWAY_CONTRACT_DIR")
BINARY = Path(os.environ.get("KEYWAY_BINARY", HERE.parent.parent / "target/debug/keyway"))
NO_CONTRACT = "KEYWAY_CONTRACT_DIR is not set; it names the folder with the reference material"


def pytest_report_header() -> list[str]:
    reference = f"checked against {CONTRACT_DIR}" if CONTRACT_DIR else f"NOT checked: {NO_CONTRACT}"
    return [f"gateway: {BINARY}", f"reference description: {reference}"]


@pytest.fixture(scope="session")
def contract_dir() -> Path:
    """The reference material, which is not part of the project."""
    if not CONTRACT_DIR:
        pytest.skip(NO_CONTRACT)
    return Path(CONTRACT_DIR)


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """The provider behind the gateway, beside the built-in model."""
    scripted = Provider()
    yield scripted
    scripted.close()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Gateway]:
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is missing: `cargo build`, or let `scripts/test clients` build it", returncode=2)
    running = Gateway(BINARY, tmp_path_factory.mktemp("gateway"), provider.config)
    yield running
    assert running.stop() == 0, f"the gateway did not stop cleanly:\n{running.log.read_text()[-4000:]}"


@pytest.fixture(scope="session")
def descriptions(gateway: Gateway) -> list[Description]:
    """What answers are checked against: Keyway's own description, and the reference where there is one."""
    with urllib.request.urlopen(f"{gateway.url}/api/v1/openapi.json", timeout=10) as answer:
        own = Description.own(answer.read())
    if not CONTRACT_DIR:
        return [own]
    return [Description.reference(Path(CONTRACT_DIR, "openrouter-openapi.yaml")), own]


@pytest.fixture
def recorder(gateway: Gateway, descriptions: list[Description]) -> Iterator[Recorder]:
    """The door to the gateway. A test fails when anything that passed it was not as described."""
    door = Recorder(gateway.address)
    yield door
    door.close()
    found = [violation for exchange in door.exchanges() for violation in violations(exchange, descriptions)]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.fixture
def administration(gateway: Gateway, recorder: Recorder) -> Administration:
    """The operator's hand: makes keys and looks at them, through the same door."""
    return Administration(recorder, gateway.management_key)


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """The Node process that the npm clients run in."""
    with Node() as process:
        yield process
