"""The binary under measurement: started, asked, and stopped the way an operator does."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

MANAGEMENT_KEY = "bench-management-key-of-no-other-use"
STOP_S_MAX = 30
START_S_MAX = 30


class Gateway:
    """A running gateway on a data directory, and one connection to it that is kept open.

    `variables` are set in its environment.
    """

    def __init__(self, binary, directory, variables=None):
        self.port = _free_port()
        self._log = open(pathlib.Path(directory).parent / "gateway.log", "ab")
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [binary, "--listen", f"127.0.0.1:{self.port}", "--data-dir", directory],
            env=_environment() | (variables or {}),
            # There is no keyway.toml beside it that could be taken by accident.
            cwd=pathlib.Path(directory).parent,
            stdout=self._log,
            stderr=self._log,
        )
        self._connection = self._connect(began)
        status, _ = self.ask("GET", "/api/v1/models")
        self.first_answer_ms = (time.perf_counter() - began) * 1000
        assert status == 200, status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(STOP_S_MAX)
        self._log.close()
        assert code == 0, f"the gateway ended with {code}"

    def ask(self, method, path, body=None, key=MANAGEMENT_KEY, patience_s=60):
        """One request: its status and its body as JSON."""
        self._connection.timeout = patience_s
        if self._connection.sock is not None:
            self._connection.sock.settimeout(patience_s)
        text = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._connection.request(method, path, text, headers)
        response = self._connection.getresponse()
        answer = response.read()
        return response.status, json.loads(answer)

    def timed(self, method, path, **how):
        """As `ask`, with the milliseconds until the whole answer was read."""
        began = time.perf_counter()
        status, answer = self.ask(method, path, **how)
        return (time.perf_counter() - began) * 1000, status, answer

    def reconnect(self):
        """Leaves a request behind that was given up."""
        self._connection.close()

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def _connect(self, began):
        while time.perf_counter() - began < START_S_MAX:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            try:
                connection.connect()
                return connection
            except ConnectionRefusedError:
                assert self._process.poll() is None, "the gateway did not start: see its log"
                time.sleep(0.000_2)
        raise TimeoutError("the gateway does not listen")


def _environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYWAY_")}
    return kept | {"KEYWAY_BOOTSTRAP_MANAGEMENT_KEY": MANAGEMENT_KEY}


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
