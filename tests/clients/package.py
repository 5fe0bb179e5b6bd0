"""What a test asks of a client package, whichever it is.

Methods go by the names that PyPI's packages have for them, requests by those of the wire. Only spelling is translated:
each call is the package's own, and what comes back has passed its schemas.
"""

from typing import Any, Protocol

# How a package calls the end of a stream that it sums up.
FINAL = {
    "chat.completions.stream": "get_final_completion",
    "messages.stream": "get_final_message",
    "beta.messages.stream": "get_final_message",
    "responses.stream": "get_final_response",
}


class Refused(Exception):
    """The error that a package raised: its class, and its status, which one in the middle of a stream has not."""

    def __init__(self, status: int | None, type: str, message: str):
        super().__init__(f"{type} ({status}): {message}")
        self.status = status
        self.type = type
        self.message = message


class Package(Protocol):
    """A client with nothing but its base URL changed. `key` is the API key to present."""

    name: str

    def call(self, key: str, method: str, /, **request: Any) -> Any:
        """What the method returns."""

    def stream(self, key: str, method: str, /, **request: Any) -> list[Any]:
        """The chunks that it gives when told to stream."""

    def items(self, key: str, method: str, /, **request: Any) -> list[Any]:
        """All that a list has, page by page where the package goes on by itself."""

    def added_up(self, key: str, method: str, /, **request: Any) -> Any:
        """The sum of a stream, as the package makes it."""

    def leave(self, key: str, method: str, after: int, /, **request: Any) -> int:
        """Streams, and leaves after so many chunks; answers how many there were."""

    def abort(self, key: str, method: str, after: int, /, **request: Any) -> int:
        """The same by what interrupts a program: a signal in npm's packages, a cancelled task in PyPI's."""

    def offers(self) -> set[str]:
        """Every method that it has."""
