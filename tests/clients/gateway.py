"""The real binary, started on an empty directory and stopped as an operator stops it."""

import os
import secrets
import select
import signal
import subprocess
import time
from pathlib import Path

READY = "listening on "
START_SECONDS_MAX = 30
# The binary lets streams in flight finish for 30 s.
STOP_SECONDS_MAX = 40


class Gateway:
    """A running gateway, and the management key that it was given at its first start."""

    def __init__(self, binary: Path, home: Path, config: str = ""):
        self.management_key = f"management-{secrets.token_hex(24)}"
        self.log = home / "gateway.log"
        (home / "keyway.toml").write_text(config)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEYWAY_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [binary, "--listen", "127.0.0.1:0", "--data-dir", home / "data"],
                cwd=home,
                env=inherited | {"KEYWAY_BOOTSTRAP_MANAGEMENT_KEY": self.management_key, "SCRIPTED_KEY": "scripted"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            self.url = self._wait_until_ready()
        except BaseException:
            self._process.kill()
            raise

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def stop(self) -> int:
        """Asks it to stop, and answers its exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._process.stdout.close()

    def _wait_until_ready(self) -> str:
        """Reads standard output up to the line that says where it listens."""
        deadline = time.monotonic() + START_SECONDS_MAX
        output = b""
        descriptor = self._process.stdout.fileno()
        while select.select([descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
            read = os.read(descriptor, 4096)
            if not read:
                break
            output += read
            for line in output.decode().splitlines(keepends=True):
                if line.startswith(READY) and line.endswith("\n"):
                    return line.removeprefix(READY).strip()
        raise RuntimeError(f"the gateway did not become ready; it said {output!r}, and logged\n{self.log.read_text()}")
