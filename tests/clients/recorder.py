"""Stands between the clients of one test and the gateway, forwards every byte and keeps it.

What clients see is what the gateway sent: nothing is parsed on the way. It is taken apart only when
a test asks for it, or ends.
"""

import contextlib
import socket
import threading
import time
from bisect import bisect_right
from dataclasses import dataclass, field

from exchange import Exchange, exchanges

READ_BYTES = 64 * 1024
JOIN_SECONDS_MAX = 10
SILENCE_SECONDS_MAX = 60


class _Recording:
    """The bytes that went one way, and when."""

    def __init__(self):
        self.data = bytearray()
        self._offsets: list[int] = []
        self._times: list[int] = []

    def add(self, data: bytes) -> None:
        self._offsets.append(len(self.data))
        self._times.append(time.monotonic_ns())
        self.data += data

    def time_of(self, offset: int) -> int:
        return self._times[bisect_right(self._offsets, offset) - 1]


@dataclass
class _Connection:
    client: socket.socket
    gateway: socket.socket
    sent: _Recording = field(default_factory=_Recording)
    received: _Recording = field(default_factory=_Recording)

    def exchanges(self) -> list[tuple[int, Exchange]]:
        """The exchanges, each with the time when its request arrived."""
        found = exchanges(bytes(self.sent.data), bytes(self.received.data))
        return [(self.sent.time_of(exchange.offset), exchange) for exchange in found]

    def close(self) -> None:
        for end in (self.client, self.gateway):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Recorder:
    """A door to the gateway that remembers what went through it.

    It hangs up after a long silence, so that no client waits forever for an answer that does not come.
    """

    def __init__(self, gateway: tuple[str, int], silence_seconds_max: float = SILENCE_SECONDS_MAX):
        self._gateway = gateway
        self._silence_seconds_max = silence_seconds_max
        self._connections: list[_Connection] = []
        self._threads: list[threading.Thread] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept)

    @property
    def origin(self) -> str:
        host, port = self._door.getsockname()
        return f"http://{host}:{port}"

    @property
    def api(self) -> str:
        """The base URL for clients."""
        return f"{self.origin}/api/v1"

    def exchanges(self) -> list[Exchange]:
        """All exchanges so far, in the order in which they were asked for."""
        timed = [one for connection in list(self._connections) for one in connection.exchanges()]
        return [exchange for _, exchange in sorted(timed, key=lambda one: one[0])]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._threads[0].join(JOIN_SECONDS_MAX)
        for connection in self._connections:
            connection.close()
        for thread in self._threads:
            thread.join(JOIN_SECONDS_MAX)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                connection = _Connection(client, socket.create_connection(self._gateway))
                for end in (connection.client, connection.gateway):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    end.settimeout(self._silence_seconds_max)
                self._connections.append(connection)
                self._start(_pump, connection.client, connection.gateway, connection.sent)
                self._start(_pump, connection.gateway, connection.client, connection.received)

    def _start(self, work, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def _pump(source: socket.socket, sink: socket.socket, recorded: _Recording) -> None:
    """Forwards until either end closes or is silent. Bytes are kept before they go on: what a client saw is there."""
    with contextlib.suppress(OSError):
        while data := source.recv(READ_BYTES):
            recorded.add(data)
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
