"""What the scripted provider says in dialects other than OpenAI's: the same, in the words of each."""

import json
import zlib
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """An answer, whatever says it: a text in pieces, what was thought before, or a call in their place."""

    pieces: list[str]
    thought: str | None
    # Name and arguments.
    call: tuple[str, dict[str, Any]] | None
    prompt_tokens: int
    completion_tokens: int

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class Asked:
    """A request, whatever asks it."""

    body: dict[str, Any]

    @property
    def text(self) -> str:
        """All text of the last message."""
        messages = self.body.get("messages") or self.body["contents"]
        return "".join(_texts(messages[-1]))

    @property
    def tool(self) -> str | None:
        """The first function, where none was called yet."""
        tools = self.body.get("tools") or self.body.get("toolConfig", {}).get("tools")
        if not tools or self._has("tool_result", "functionResponse", "toolResult", '"role": "tool"'):
            return None
        tool = tools[0]
        tool = tool.get("functionDeclarations", [tool])[0]
        return tool.get("function", tool.get("toolSpec", tool))["name"]

    @property
    def wants_json(self) -> bool:
        return self._has("json_schema", "responseJsonSchema")

    @property
    def has_image(self) -> bool:
        return self._has('"image"', '"inlineData"', '"image_url"')

    @property
    def thinks(self) -> bool:
        return self._has('"thinking"', '"thinkingConfig"')

    def _has(self, *words: str) -> bool:
        text = json.dumps(self.body)
        return any(word in text for word in words)


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    if isinstance(value, dict):
        return [text for name, one in value.items() if name in ("content", "parts", "text") for text in _texts(one)]
    return [value] if isinstance(value, str) else []


# Of what every message of Anthropic's says whether it was.
NOTHING_MORE = {"stop_sequence": None, "stop_details": None, "container": None}


class Anthropic:
    # As the reference description has it.
    name = "Anthropic"
    path = "/v1"

    def whole(self, said: Said) -> Event:
        blocks = [block | filled for block, filled, _ in self._blocks(said)]
        return self._head(said) | {"content": blocks, "stop_reason": self._reason(said)}

    def stream(self, said: Said) -> list[bytes]:
        events = [{"type": "message_start", "message": self._head(said)}]
        for index, (block, _, deltas) in enumerate(self._blocks(said)):
            events.append({"type": "content_block_start", "index": index, "content_block": block})
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        delta = NOTHING_MORE | {"stop_reason": self._reason(said)}
        events.append({"type": "message_delta", "delta": delta, "usage": self._usage(said)})
        events.append({"type": "message_stop"})
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]

    def _head(self, said: Said) -> Event:
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "model", "content": []}
        return head | NOTHING_MORE | {"stop_reason": None, "usage": self._usage(said)}

    def _usage(self, said: Said) -> Event:
        """With all that Anthropic says of what there was none."""
        none = ("cache_creation", "server_tool_use", "inference_geo")
        zero = ("cache_creation_input_tokens", "cache_read_input_tokens")
        counts = {"input_tokens": said.prompt_tokens, "output_tokens": said.completion_tokens}
        details = {"output_tokens_details": {"thinking_tokens": 0}, "service_tier": "standard"}
        return counts | dict.fromkeys(none) | dict.fromkeys(zero, 0) | details

    def _reason(self, said: Said) -> str:
        return "tool_use" if said.call else "end_turn"

    def _blocks(self, said: Said) -> list[tuple[Event, Event, list[Event]]]:
        """Each block as it begins, what it has at the end, and how it comes to that."""
        blocks = []
        if said.thought:
            begun = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": said.thought}, {"type": "signature_delta", "signature": "s"}]
            blocks.append((begun, {"thinking": said.thought, "signature": "s"}, deltas))
        if said.call:
            name, arguments = said.call
            begun = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}, "caller": {"type": "direct"}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in halves(arguments)]
            blocks.append((begun, {"input": arguments}, deltas))
        else:
            deltas = [{"type": "text_delta", "text": piece} for piece in said.pieces]
            blocks.append(({"type": "text", "text": "", "citations": None}, {"text": said.text}, deltas))
        return blocks


class Gemini:
    # As the reference description has it.
    name = "Google AI Studio"
    path = "/v1beta"

    def whole(self, said: Said) -> Event:
        return self._piece(said, self._parts(said, [said.text]), ends=True)

    def stream(self, said: Said) -> list[bytes]:
        parts = self._parts(said, said.pieces)
        pieces = [self._piece(said, [part], ends=part is parts[-1]) for part in parts]
        return [f"data: {json.dumps(piece)}\r\n\r\n".encode() for piece in pieces]

    def _piece(self, said: Said, parts: list[Event], ends: bool) -> Event:
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
        counts = {"promptTokenCount": said.prompt_tokens, "candidatesTokenCount": said.completion_tokens}
        return {"candidates": [candidate | ({"finishReason": "STOP"} if ends else {})], "usageMetadata": counts}

    def _parts(self, said: Said, pieces: list[str]) -> list[Event]:
        thought = [{"text": said.thought, "thought": True}] if said.thought else []
        if said.call:
            name, arguments = said.call
            return [*thought, {"functionCall": {"name": name, "args": arguments}}]
        return [*thought, *({"text": piece} for piece in pieces)]


class Cohere:
    # As the reference description has it.
    name = "Cohere"
    path = "/v2"

    def whole(self, said: Said) -> Event:
        thought = [{"type": "thinking", "thinking": said.thought}] if said.thought else []
        message: Event = {"role": "assistant", "content": [*thought, {"type": "text", "text": said.text}]}
        if said.call:
            name, arguments = said.call
            function = {"name": name, "arguments": json.dumps(arguments)}
            message = {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
        return {"id": "1", "message": message} | self._end(said)

    def stream(self, said: Said) -> list[bytes]:
        def event(kind: str, message: Event) -> Event:
            return {"type": kind, "index": 0, "delta": {"message": message}}

        events: list[Event] = [{"type": "message-start", "id": "1"}]
        if said.thought:
            events.append(event("content-delta", {"content": {"thinking": said.thought}}))
        if said.call:
            name, arguments = said.call
            function = {"name": name, "arguments": ""}
            events.append(event("tool-call-start", {"tool_calls": {"id": "call_1", "type": "function", "function": function}}))
            for piece in halves(arguments):
                events.append(event("tool-call-delta", {"tool_calls": {"function": {"arguments": piece}}}))
            events.append({"type": "tool-call-end", "index": 0})
        else:
            events += [event("content-delta", {"content": {"text": piece}}) for piece in said.pieces]
        events.append({"type": "message-end", "delta": self._end(said)})
        return [f"data: {json.dumps(one)}\n\n".encode() for one in events]

    def _end(self, said: Said) -> Event:
        billed = {"input_tokens": said.prompt_tokens, "output_tokens": said.completion_tokens}
        return {"finish_reason": "TOOL_CALL" if said.call else "COMPLETE", "usage": {"billed_units": billed}}


class Bedrock:
    # As the reference description has it.
    name = "Amazon Bedrock"
    path = "/bedrock"

    def whole(self, said: Said) -> Event:
        thought = [{"reasoningContent": {"reasoningText": {"text": said.thought}}}] if said.thought else []
        content = [*thought, {"text": said.text}]
        if said.call:
            name, arguments = said.call
            content = [{"toolUse": {"toolUseId": "tooluse_1", "name": name, "input": arguments}}]
        message = {"role": "assistant", "content": content}
        return {"output": {"message": message}, "stopReason": self._reason(said), "usage": self._usage(said)}

    def stream(self, said: Said) -> list[bytes]:
        def delta(inside: Event) -> bytes:
            return framed("contentBlockDelta", {"contentBlockIndex": 0, "delta": inside})

        events = [framed("messageStart", {"role": "assistant"})]
        if said.thought:
            events.append(delta({"reasoningContent": {"text": said.thought}}))
        if said.call:
            name, arguments = said.call
            start = {"toolUse": {"toolUseId": "tooluse_1", "name": name}}
            events.append(framed("contentBlockStart", {"contentBlockIndex": 0, "start": start}))
            events += [delta({"toolUse": {"input": piece}}) for piece in halves(arguments)]
        else:
            events += [delta({"text": piece}) for piece in said.pieces]
        events.append(framed("contentBlockStop", {"contentBlockIndex": 0}))
        events.append(framed("messageStop", {"stopReason": self._reason(said)}))
        return [*events, framed("metadata", {"usage": self._usage(said)})]

    def _reason(self, said: Said) -> str:
        return "tool_use" if said.call else "end_turn"

    def _usage(self, said: Said) -> Event:
        total = said.prompt_tokens + said.completion_tokens
        return {"inputTokens": said.prompt_tokens, "outputTokens": said.completion_tokens, "totalTokens": total}


Dialect = Anthropic | Gemini | Cohere | Bedrock
DIALECTS: dict[str, Dialect] = {
    "anthropic": Anthropic(),
    "gemini": Gemini(),
    "cohere": Cohere(),
    "bedrock": Bedrock(),
}


def dialect_of(path: str) -> Dialect | None:
    """What is spoken at this path; `None` where that is OpenAI's."""
    if path == "/v1/messages":
        return DIALECTS["anthropic"]
    others = (dialect for name, dialect in DIALECTS.items() if name != "anthropic")
    return next((dialect for dialect in others if path.startswith(f"{dialect.path}/")), None)


def halves(arguments: dict[str, Any]) -> list[str]:
    text = json.dumps(arguments)
    return [text[:4], text[4:]]


def framed(kind: str, payload: Event) -> bytes:
    """A message as Amazon frames it."""
    headers = b""
    for name, value in ((":event-type", kind), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2, "big") + value.encode()
    body = json.dumps(payload).encode()
    message = (16 + len(headers) + len(body)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    message += zlib.crc32(message).to_bytes(4, "big") + headers + body
    return message + zlib.crc32(message).to_bytes(4, "big")
