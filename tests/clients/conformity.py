"""What is wrong with an exchange: against the descriptions, the error envelope and the rules of streams."""

from collections.abc import Iterator
from typing import Any

from description import Description
from exchange import DONE, Exchange

# Any operation may answer these, whether its description lists them or not.
ERRORS_ANYWHERE = {400, 401, 403, 404, 405, 409, 413, 422}
ERRORS_OF_UNKNOWN_ROUTES = {404, 405}
COMPLETIONS = "/api/v1/chat/completions"
# Answers and errors are Anthropic's here.
MESSAGES = "/api/v1/messages"


def violations(exchange: Exchange, descriptions: list[Description]) -> list[str]:
    """Every rule that this exchange breaks, each with where."""
    try:
        return [f"{exchange}: {problem}" for problem in _problems(exchange, descriptions)]
    except ValueError as error:
        return [f"{exchange}: not the JSON it should be: {error}; {exchange.body[:500]!r}"]


def _problems(exchange: Exchange, descriptions: list[Description]) -> Iterator[str]:
    # A client may leave at `[DONE]`, before the last bytes of the framing.
    if not exchange.whole and not (exchange.streams and exchange.events[-1:] == [DONE]):
        yield "the answer breaks off"
    if exchange.status >= 400:
        yield from _problems_of_envelope(exchange)
    yield from _problems_by_description(exchange, descriptions)
    if exchange.status == 200 and exchange.path.rstrip("/") == COMPLETIONS:
        yield from _problems_of_completion(exchange)


def _problems_of_envelope(exchange: Exchange) -> Iterator[str]:
    if exchange.content_type != "application/json":
        yield f"an error as {exchange.content_type or 'nothing'}, not JSON"
        return
    if exchange.path.startswith(MESSAGES):
        yield from _problems_of_anthropics_envelope(exchange.json)
        return
    error = exchange.json.get("error") if isinstance(exchange.json, dict) else None
    if not isinstance(error, dict):
        yield f"no error envelope: {exchange.json}"
    elif type(error.get("code")) is not int or error["code"] != exchange.status:
        yield f"$.error.code is {error.get('code')!r}, not the status"
    elif not isinstance(error.get("message"), str) or not error["message"]:
        yield f"$.error.message is {error.get('message')!r}"


def _problems_of_anthropics_envelope(body: Any) -> Iterator[str]:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or body.get("type") != "error" or "request_id" not in body:
        yield f"not Anthropic's error envelope: {body}"
    elif not str(error.get("type", "")).endswith("_error") or not error.get("message"):
        yield f"$.error says not what it is: {error}"


def _problems_by_description(exchange: Exchange, descriptions: list[Description]) -> Iterator[str]:
    known = [
        (description, operation)
        for description in descriptions
        if (operation := description.operation(exchange.method, exchange.path))
    ]
    if not known:
        if exchange.status not in ERRORS_OF_UNKNOWN_ROUTES:
            yield "no description knows this operation"
        return
    if not any(operation.documents(exchange.status) for _, operation in known):
        if exchange.status not in ERRORS_ANYWHERE:
            yield "no description lists this status"
        return
    for description, operation in known:
        content = operation.content(exchange.status)
        if content and exchange.content_type not in content:
            yield f"{exchange.content_type} is not one of {sorted(content)} ({description.name} description)"
        elif content and exchange.streams:
            # The descriptions have the schema of an event: its data and, elsewhere, its name.
            for number, (chunk, name) in enumerate(zip(exchange.chunks, exchange.names)):
                if _contradicts_itself(chunk):
                    continue
                event = {"data": chunk} | ({"event": name} if name else {})
                for mistake in description.mistakes(operation, exchange.status, exchange.content_type, event):
                    yield f"event {number}: {mistake}"
        elif content:
            yield from description.mistakes(operation, exchange.status, exchange.content_type, exchange.json)


def _contradicts_itself(event: Any) -> bool:
    """The reference describes the parts of what a model thinks twice, and no part is both. Clients want it."""
    return isinstance(event, dict) and (event.get("part") or {}).get("type") == "reasoning_text"


def _problems_of_completion(exchange: Exchange) -> Iterator[str]:
    """What no schema says: one id, one usage, in the right place (contract, C.2 and C.3)."""
    answers = exchange.chunks if exchange.streams else [exchange.json]
    ids = {answer.get("id") for answer in answers} | {exchange.headers.get("x-generation-id")}
    if len(ids) != 1 or not all(str(one).startswith("gen-") for one in ids):
        yield f"not one generation id in body and header: {ids}"
    if any("error" in answer and answer["error"] is None for answer in answers):
        yield "an error that is null; some clients take its presence for an error"
    if exchange.streams:
        yield from _problems_of_stream(exchange, answers)
    elif "cost" not in (answers[0].get("usage") or {}):
        yield "$.usage.cost is missing"


def _problems_of_stream(exchange: Exchange, chunks: list[Any]) -> Iterator[str]:
    failed = any("error" in chunk for chunk in chunks)
    if exchange.events.count(DONE) > 1 or (DONE in exchange.events and exchange.events[-1] != DONE):
        yield "[DONE] is not the end"
    if not failed and exchange.events[-1:] != [DONE]:
        yield "the stream does not end with [DONE]"
    with_usage = [number for number, chunk in enumerate(chunks) if "usage" in chunk]
    if not failed and with_usage != [len(chunks) - 1]:
        yield f"usage belongs into the last chunk alone, not into {with_usage} of {len(chunks)}"
    elif with_usage and (chunks[-1].get("choices") or "cost" not in (chunks[-1]["usage"] or {})):
        yield f"the chunk with the usage has a cost and no choices: {chunks[-1]}"
