"""What went over one connection, taken apart into requests and their answers."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from email.message import Message
from functools import cached_property
from http.client import HTTPException, HTTPResponse, IncompleteRead, parse_headers
from typing import Any

DONE = "[DONE]"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as they stood on the wire."""

    method: str
    target: str
    request_headers: Message
    request_body: bytes
    status: int
    headers: Message
    body: bytes
    # The body ended as its framing says.
    whole: bool
    # Where the request begins among the bytes of its connection.
    offset: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def streams(self) -> bool:
        return self.content_type == "text/event-stream"

    @cached_property
    def json(self) -> Any:
        """The answer's JSON, its numbers as exact as they were written."""
        return exact_json(self.body.decode())

    @cached_property
    def events(self) -> list[str]:
        """The data of each event of a stream. One that no empty line ends is lost, as clients lose it."""
        text = self.body.decode().replace("\r\n", "\n")
        blocks = text.split("\n\n")[:-1]
        data = [
            [line.removeprefix("data:").removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
            for block in blocks
        ]
        return ["\n".join(lines) for lines in data if lines]

    @cached_property
    def names(self) -> list[str | None]:
        """The name of each event that has data; `None` where it has none."""
        text = self.body.decode().replace("\r\n", "\n")
        blocks = [block.split("\n") for block in text.split("\n\n")[:-1]]
        named = [
            [line.removeprefix("event:").strip() for line in lines if line.startswith("event:")]
            for lines in blocks
            if any(line.startswith("data:") for line in lines)
        ]
        return [names[0] if names else None for names in named]

    @cached_property
    def chunks(self) -> list[Any]:
        """The JSON of each event but the last, `[DONE]`."""
        return [exact_json(event) for event in self.events if event != DONE]

    def __str__(self) -> str:
        return f"{self.method} {self.target} -> {self.status}"


class BadJson(ValueError):
    """JSON that parsers read differently, or that a careful server does not write."""


def exact_json(text: str) -> Any:
    """Parses JSON with exact numbers; refuses repeated names, NaN and exponents."""
    return json.loads(
        text,
        parse_float=_plain_decimal,
        parse_constant=_no_constant,
        object_pairs_hook=_object_without_repetition,
    )


def exchanges(sent: bytes, received: bytes) -> Iterator[Exchange]:
    """The exchanges of one connection, from all the bytes that went each way."""
    requests, answers, offset = _Recorded(sent), _Recorded(received), 0
    while request := _read_request(requests):
        method, target, headers, body = request
        answer = HTTPResponse(answers, method=method)
        try:
            answer.begin()
        except (HTTPException, ConnectionError) as error:
            raise HTTPException(f"{method} {target} got no HTTP answer: {error!r}") from error
        whole, content = True, b""
        try:
            content = answer.read()
        except IncompleteRead as error:
            whole, content = False, error.partial
        yield Exchange(method, target, headers, body, answer.status, answer.headers, content, whole, offset)
        offset = requests.tell()
    if surplus := answers.read():
        raise HTTPException(f"bytes that answer no request: {surplus[:200]!r}")


class _Recorded(io.BytesIO):
    """Recorded bytes in the place of a socket, from which answers are read one after another."""

    def makefile(self, _mode: str) -> "_Recorded":
        return self

    def close(self) -> None:
        """The end of one answer is not the end of the connection."""


def _read_request(stream: io.BytesIO) -> tuple[str, str, Message, bytes] | None:
    line = stream.readline()
    if not line:
        return None
    method, target, _version = line.decode("ascii").split()
    headers = parse_headers(stream)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return method, target, headers, _read_chunks(stream)
    return method, target, headers, stream.read(int(headers.get("content-length", 0)))


def _read_chunks(stream: io.BytesIO) -> bytes:
    body = b""
    while size := int(stream.readline().partition(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    parse_headers(stream)
    return body


def _plain_decimal(text: str) -> Decimal:
    if "e" in text.lower():
        raise BadJson(f"{text} is written with an exponent")
    return Decimal(text)


def _no_constant(text: str) -> None:
    raise BadJson(f"{text} is not JSON")


def _object_without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise BadJson(f"an object names {sorted(repeated)} twice")
    return dict(pairs)
