"""The recorder changes nothing, loses nothing and knows what belongs together."""

import socket
import threading
from collections.abc import Iterator
from http.client import HTTPException

import pytest

from exchange import exchanges
from recorder import Recorder

# Two answers on one connection, the first in chunks of odd sizes.
SENT = (
    b"POST /a?x=1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"
    b"GET /b HTTP/1.1\r\nhost: h\r\n\r\n"
)
RECEIVED = (
    b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n"
    b"8;x=y\r\ndata: {}\r\n1\r\n\n\r\n2\r\n\n:\r\n0\r\n\r\n"
    b"HTTP/1.1 404 No\r\ncontent-length: 4\r\n\r\nnone"
)


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """Takes one connection, reads `SENT` and answers `RECEIVED`, a few bytes at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=[listener])
        thread.start()
        yield listener.getsockname()
        thread.join(10)


def _serve(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(10)
        read = b""
        while len(read) < len(SENT):
            read += connection.recv(4096)
        assert read == SENT
        for start in range(0, len(RECEIVED), 7):
            connection.sendall(RECEIVED[start : start + 7])


def test_every_byte_is_forwarded_and_kept(server: tuple[str, int]) -> None:
    recorder = Recorder(server)
    host, port = recorder.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(SENT)
        received = b"".join(iter(lambda: client.recv(4096), b""))
    assert received == RECEIVED
    first, second = recorder.exchanges()
    recorder.close()

    assert (first.method, first.target, first.path, first.request_body) == ("POST", "/a?x=1", "/a", b"one")
    assert (first.status, first.body, first.whole) == (200, b"data: {}\n\n:", True)
    assert first.streams
    assert first.events == ["{}"]
    assert (second.method, second.target, second.status, second.body) == ("GET", "/b", 404, b"none")


def test_silence_ends_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        recorder = Recorder(silent.getsockname(), silence_seconds_max=0.1)
        host, port = recorder.origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            assert client.recv(1) == b""
        recorder.close()


def test_an_answer_that_breaks_off_is_known() -> None:
    [first] = exchanges(SENT[:74], RECEIVED[:110])
    assert not first.whole


def test_bytes_that_nobody_asked_for_are_known() -> None:
    with pytest.raises(HTTPException, match="answer no request"):
        list(exchanges(SENT, RECEIVED + b"HTTP/1.1 200 Again\r\n\r\n"))


def test_a_request_without_an_answer_is_known() -> None:
    with pytest.raises(HTTPException, match="GET /b got no HTTP answer"):
        list(exchanges(SENT, RECEIVED[: RECEIVED.index(b"HTTP/1.1 404")]))
