"""What the README shows of clients, run as it stands: only the address and the key are this gateway's."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from administration import Administration
from gateway import Gateway
from node import FOLDER, executable
from recorder import Recorder

README = Path(__file__).parent.parent.parent / "README.md"
ORIGIN = "http://127.0.0.1:8787"
SECONDS_MAX = 60


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


def test_claude_code(tmp_path: Path, gateway: Gateway, administration: Administration) -> None:
    """Only where it is installed: it is larger than all the others together. Its prompt goes past the recorder."""
    if not shutil.which("claude"):
        pytest.skip("claude is not on the path: npm @anthropic-ai/claude-code brings it")
    key = administration.create("readme")
    own = {"KEYWAY_KEY": key.string, "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    code = block("sh").replace(ORIGIN, gateway.url)
    assert "Hello" in run(["sh", "-eu"], code, env=own, cwd=tmp_path)
    assert administration.find(key.hash)["usage"] > 0
