"""What the README shows, run as it stands: only the address, the keys and the binary are this gateway's."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import provider
from administration import Administration
from conftest import BINARY
from gateway import Gateway
from node import FOLDER, executable
from recorder import Recorder

README = Path(__file__).parent.parent.parent / "README.md"
ORIGIN = "http://127.0.0.1:8787"
SECONDS_MAX = 60
CLAUDE_CODE = FOLDER / "node_modules/.bin/claude"


def block(language: str) -> str:
    """The one block of this language under `Clients`, three lines long."""
    section = README.read_text().split("\n## Clients\n")[1].split("\n## ")[0]
    [code] = re.findall(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert len(code.splitlines()) == 3
    assert ORIGIN in code
    return code


def run(command: list[str], code: str, **more) -> str:
    done = subprocess.run(command, input=code, capture_output=True, text=True, timeout=SECONDS_MAX, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands() -> str:
    """What is typed on the first screen: lines behind a prompt, and those that go on with them."""
    first = README.read_text().split("\n## ")[0]
    [console] = re.findall(r"^```console\n(.*?)^```", first, re.DOTALL | re.MULTILINE)
    assert ORIGIN in console
    return "\n".join(re.findall(r"^\$ ((?:.*\\\n)*.*)$", console, re.MULTILINE)) + "\n"


def test_the_first_screen(gateway: Gateway, recorder: Recorder) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not on the path")
    code = commands().replace(ORIGIN, recorder.origin).replace("target/release/keyway", str(BINARY))
    code = code.replace("sk-or-v1-...", gateway.management_key)
    own = {"PATH": os.environ["PATH"], "KEYWAY_URL": recorder.origin}
    said = run(["sh", "-eu"], code, env=own)
    assert '"content":"Hello"' in said and '"cost":0.000006,' in said
    # Columns are as wide as what other tests have left needs.
    shown = r"^[0-9a-f]{12}\s+first\s+sk-or-v1-\w{3}\.\.\.\w{3}\s+\$0\.01\s+\$0\.000006\s+\$0\.009994\s+░{10}\s+active"
    assert re.search(shown, said, re.MULTILINE), said


def test_openais_sdk(recorder: Recorder, administration: Administration) -> None:
    key = administration.create("readme").string
    code = block("python").replace(ORIGIN, recorder.origin).replace("KEYWAY_KEY", key)
    assert run([sys.executable, "-"], code) == "Hello\n"


def test_openrouters_sdk(recorder: Recorder, administration: Administration) -> None:
    key = administration.create("readme").string
    code = block("ts").replace(ORIGIN, recorder.origin).replace("KEYWAY_KEY", key)
    # It prints the whole answer, whose text is too deep to be shown. Two versions are installed, each under a name of its own.
    code = code.replace("@openrouter/sdk", "openrouter-newest")
    assert "finishReason: 'stop'" in run([executable(), "--input-type=module", "-"], code, cwd=FOLDER)


class Tripwire(ThreadingHTTPServer):
    """A proxy for whatever is not on this machine, which reaches nothing and remembers what was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Refusing)
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        return {"HTTPS_PROXY": f"http://127.0.0.1:{self.server_address[1]}", "NO_PROXY": "127.0.0.1"}


class _Refusing(BaseHTTPRequestHandler):
    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        """What was asked for is in `asked`."""


@pytest.fixture
def tripwire() -> Iterator[Tripwire]:
    with Tripwire() as proxy:
        yield proxy
        proxy.shutdown()


@pytest.mark.parametrize(("model", "said"), [("keyway/echo", "Hello"), ("scripted/model", "".join(provider.SAID))])
def test_claude_code(
    model: str, said: str, tmp_path: Path, gateway: Gateway, administration: Administration, tripwire: Tripwire
) -> None:
    """The second model calls the first tool that it is offered. What Claude Code asks goes past the recorder."""
    key = administration.create("readme")
    own = {
        "KEYWAY_KEY": key.string,
        "HOME": str(tmp_path),
        "PATH": f"{CLAUDE_CODE.parent}:{os.environ['PATH']}",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    code = block("sh").replace(ORIGIN, gateway.url).replace("keyway/echo", model)
    assert said in run(["sh", "-eu"], code, env=own | tripwire.environment, cwd=tmp_path)
    assert administration.find(key.hash)["usage"] > 0
    assert tripwire.asked == []
