"""How the packages spell what goes over the wire."""

import re
from datetime import datetime
from typing import Any

# What npm's packages have another word for.
NPM_ONLY = {
    "get_final_completion": "finalChatCompletion",
    "get_final_message": "finalMessage",
    "get_final_response": "finalResponse",
}


def camel(name: str) -> str:
    return NPM_ONLY.get(name) or re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def snake_name(name: str) -> str:
    """`createSHA256CodeChallenge` is `create_sha256_code_challenge`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


# What is the caller's own data, and has no spelling.
VERBATIM = {"schema", "parameters"}


def camel_all_through(value: Any) -> Any:
    """A request, in the names of npm's SDKs."""
    if isinstance(value, list):
        return [camel_all_through(one) for one in value]
    if isinstance(value, dict):
        return {camel(name): one if name in VERBATIM else camel_all_through(one) for name, one in value.items()}
    return value


def snake(value: Any) -> Any:
    """What an npm SDK returned, in the names of the wire."""
    if isinstance(value, list):
        return [snake(one) for one in value]
    if isinstance(value, dict):
        return {
            re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name): snake(one) for name, one in value.items()
        }
    return value


def dated(text: str) -> datetime:
    """The packages take dates as such."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
