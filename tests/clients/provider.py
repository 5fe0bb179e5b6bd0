"""A scripted provider that speaks each dialect over a real socket. What it is asked for, it does.

A last message of `#fail STATUS` is refused so, `#break` streams two words and breaks off, `#long` takes its time. Where tools are offered and none was called yet it calls the first, where a schema is asked for it answers
with JSON, and pictures are told from text.
"""

import base64
import json
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dialects import DIALECTS, Asked, Dialect, Said, dialect_of

SAID = ["Hello", " from", " the", " provider"]
THOUGHT = "It wants a greeting."
ARGUMENTS = {"city": "Paris"}
OBJECT = {"name": "Ada", "age": 36}
USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
# At $0.000001 and $0.000002 a token.
COST = "0.000018"
LONG_WORDS = 100
LONG_PAUSE_SECONDS = 0.01

CONFIG = """
[[providers]]
slug = "scripted"
# The one name for such as this in the reference description.
name = "FakeProvider"
dialect = "openai"
base_url = "{base_url}"
api_key = "env:SCRIPTED_KEY"

[[models]]
id = "scripted/model"
context_length = 100000
max_completion_tokens = 1000
  [[models.endpoints]]
  provider = "scripted"
  upstream_model = "model"
  pricing = {{ prompt = "0.000001", completion = "0.000002" }}
"""

# The same provider in another dialect, with a model of its own.
OTHER = """
[[providers]]
slug = "scripted-{dialect}"
name = "{name}"
dialect = "{dialect}"
base_url = "{base_url}"
api_key = "env:SCRIPTED_KEY"

[[models]]
id = "scripted/{dialect}"
context_length = 100000
max_completion_tokens = 1000
  [[models.endpoints]]
  provider = "scripted-{dialect}"
  upstream_model = "model"
  pricing = {{ prompt = "0.000001", completion = "0.000002" }}
"""


class Provider:
    """Listens on a port of its own."""

    def __init__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.received = []
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def config(self) -> str:
        """The configuration of a gateway before it."""
        origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        others = (
            OTHER.format(dialect=word, name=dialect.name, base_url=f"{origin}{dialect.path}")
            for word, dialect in DIALECTS.items()
        )
        return CONFIG.format(base_url=f"{origin}/v1") + "".join(others)

    @property
    def received(self) -> list[dict[str, Any]]:
        """The bodies of the requests so far."""
        return self._server.received

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.received.append(request)
        if dialect := dialect_of(self.path):
            return self._other(dialect, request)
        text = _asked(request)
        if text.startswith("#fail"):
            return self._whole(int(text.split()[1]), {"error": {"message": "told to fail", "code": "scripted"}})
        if self.path == "/v1/embeddings":
            return self._whole(200, _embeddings(request))
        if self.path == "/v1/rerank":
            return self._whole(200, _ranking(request))
        if request.get("stream"):
            return self._stream(request, text)
        return self._whole(200, _answer(request))

    def _other(self, dialect: Dialect, request: dict[str, Any]) -> None:
        asked = Asked(request)
        if asked.text.startswith("#fail"):
            return self._whole(int(asked.text.split()[1]), {"error": {"message": "told to fail"}, "message": "told to fail"})
        said = _said(asked)
        if not (request.get("stream") or ":stream" in self.path or self.path.endswith("-stream")):
            return self._whole(200, dialect.whole(said))
        events = dialect.stream(said)
        kind = "application/vnd.amazon.eventstream" if dialect is DIALECTS["bedrock"] else "text/event-stream"
        self._begin(kind)
        for event in events[:3] if asked.text == "#break" else events:
            self.wfile.write(event)
            self.wfile.flush()

    def _whole(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, request: dict[str, Any], text: str) -> None:
        self._begin("text/event-stream")
        if text == "#break":
            for word in SAID[:2]:
                self._event(_chunk({"content": word}))
            return
        if text == "#long":
            for _ in range(LONG_WORDS):
                self._event(_chunk({"content": "word "}))
                time.sleep(LONG_PAUSE_SECONDS)
        for chunk in _chunks(request):
            self._event(chunk)
        self.wfile.write(b"data: [DONE]\n\n")

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def _event(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """What it was asked is in `received`."""


def _asked(request: dict[str, Any]) -> str:
    """What stands last in it: a message, a text, or what documents are ranked for."""
    if messages := request.get("messages"):
        return _text(messages[-1])
    asked = request.get("query") or request["input"]
    return asked[-1] if isinstance(asked, list) else asked


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _has_image(request: dict[str, Any]) -> bool:
    contents = [message.get("content") for message in request["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return any(part.get("type") == "image_url" for part in parts)


def _message(request: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What is said, and why it ends."""
    called = any(message["role"] == "tool" for message in request["messages"])
    if request.get("tools") and not called:
        function = {"name": request["tools"][0]["function"]["name"], "arguments": json.dumps(ARGUMENTS)}
        return {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}, "tool_calls"
    if (request.get("response_format") or {}).get("type") == "json_schema":
        return {"content": json.dumps(OBJECT)}, "stop"
    if _has_image(request):
        return {"content": "A picture."}, "stop"
    message = {"content": "".join(SAID)}
    if request.get("reasoning") or request.get("reasoning_effort"):
        message["reasoning"] = THOUGHT
    return message, "stop"


def _said(asked: Asked) -> Said:
    """The same in other dialects."""
    call = (asked.tool, ARGUMENTS) if asked.tool else None
    thought = THOUGHT if asked.thinks and not call else None
    pieces = SAID
    if asked.wants_json:
        pieces = [json.dumps(OBJECT)]
    elif asked.has_image:
        pieces = ["A picture."]
    return Said(pieces, thought, call, USAGE["prompt_tokens"], USAGE["completion_tokens"])


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    message, reason = _message(request)
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "model"}
    return head | {"choices": [choice], "usage": USAGE}


def _chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "model", "choices": [choice]}


def _chunks(request: dict[str, Any]) -> list[dict[str, Any]]:
    message, reason = _message(request)
    chunks = [_chunk({"role": "assistant", "content": ""})]
    if reasoning := message.get("reasoning"):
        chunks += [_chunk({"reasoning": reasoning[:5]}), _chunk({"reasoning": reasoning[5:]})]
    for call in message.get("tool_calls", []):
        arguments = call["function"]["arguments"]
        begun = call | {"index": 0, "function": call["function"] | {"arguments": ""}}
        chunks.append(_chunk({"tool_calls": [begun]}))
        for piece in (arguments[:4], arguments[4:]):
            chunks.append(_chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))
    content = message["content"] or ""
    pieces = SAID if content == "".join(SAID) else [content[:3], content[3:]]
    chunks += [_chunk({"content": piece}) for piece in pieces if piece]
    counted = _chunk({}) | {"choices": [], "usage": USAGE}
    return [*chunks, _chunk({}, reason), counted]


def _embeddings(request: dict[str, Any]) -> dict[str, Any]:
    inputs = request["input"] if isinstance(request["input"], list) else [request["input"]]
    vectors = [[float(len(text)), 0.5, -1.25] for text in inputs]

    def encoded(vector: list[float]) -> Any:
        packed = struct.pack(f"<{len(vector)}f", *vector)
        return base64.b64encode(packed).decode() if request.get("encoding_format") == "base64" else vector

    data = [{"object": "embedding", "index": at, "embedding": encoded(one)} for at, one in enumerate(vectors)]
    return {"object": "list", "data": data, "model": "model", "usage": {"prompt_tokens": 10, "total_tokens": 10}}


def _ranking(request: dict[str, Any]) -> dict[str, Any]:
    documents = list(enumerate(request["documents"]))[: request.get("top_n")]
    results = [{"index": at, "relevance_score": 0.9 - at / 10, "document": {"text": text}} for at, text in documents]
    return {"id": "rank-1", "model": "model", "results": results, "usage": {"total_tokens": 10}}
