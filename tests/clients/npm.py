"""The packages of npm, which run in Node."""

from typing import Any

from node import Node, Thrown
from package import FINAL, Refused
from spelling import camel, camel_all_through, snake, snake_name


class NpmPackage:
    """One that runs in Node."""

    def __init__(self, name: str, node: Node, client: str, base_url: str):
        self.name = name
        self._node = node
        self._client = client
        self._base_url = base_url

    def call(self, key: str, method: str, /, **request: Any) -> Any:
        return self._call(key, method, request, {})

    def stream(self, key: str, method: str, /, **request: Any) -> list[Any]:
        return self._call(key, method, request | {"stream": True}, {"all": True})

    def items(self, key: str, method: str, /, **request: Any) -> list[Any]:
        return self._call(key, method, request, {"all": True})

    def added_up(self, key: str, method: str, /, **request: Any) -> Any:
        return self._call(key, method, request, {"end": camel(FINAL[method])})

    def leave(self, key: str, method: str, after: int, /, **request: Any) -> int:
        return self._call(key, method, request | {"stream": True}, {"after": after})

    def abort(self, key: str, method: str, after: int, /, **request: Any) -> int:
        return self._call(key, method, request | {"stream": True}, {"after": after, "abort": True})

    def offers(self) -> set[str]:
        found = self._node.call(self._client, "", self._base_url, "none", how={"offers": True})
        return {snake_name(name) for name in found}

    def _call(self, key: str, method: str, request: dict[str, Any], how: dict[str, Any]) -> Any:
        arguments = self._arguments(method, request)
        try:
            return self._read(self._node.call(self._client, camel(method), self._base_url, key, *arguments, how=how))
        except Thrown as error:
            raise Refused(error.status, error.type, error.message) from error

    def _arguments(self, method: str, request: dict[str, Any]) -> list[Any]:
        return [request] if request else []

    def _read(self, returned: Any) -> Any:
        return returned


class NpmOpenRouter(NpmPackage):
    """npm `@openrouter/sdk` in one of the versions that `node/package.json` names."""

    # What the newest version wraps in a field of its own; the rest stands beside it.
    envelopes = {
        "chat.send": "chatRequest",
        "responses.send": "responsesRequest",
        "beta.responses.send": "responsesRequest",
        "embeddings.generate": "requestBody",
        "rerank.rerank": "requestBody",
        "api_keys.create": "requestBody",
        "api_keys.update": "requestBody",
        "byok.create": "createBYOKKeyRequest",
        "byok.update": "updateBYOKKeyRequest",
    }
    of_path = ("hash", "id")

    @property
    def _is_old(self) -> bool:
        return self._client == "openrouter-0.1"

    def items(self, key: str, method: str, /, **request: Any) -> list[Any]:
        if self._is_old:
            return self.call(key, method, **request)["data"]
        pages = self._call(key, method, request, {"all": True})
        return [item for page in pages for item in page["result"]["data"]]

    def _arguments(self, method: str, request: dict[str, Any]) -> list[Any]:
        # What names the caller anew stands before all else.
        security = [request.pop("security")] if "security" in request else []
        spelled = camel_all_through(request)
        if self._is_old and method == "api_keys.list":
            spelled = {name: str(value) for name, value in spelled.items()}
        envelope = self.envelopes.get(method)
        if envelope and (not self._is_old or method == "api_keys.update"):
            outside = {name: spelled.pop(name) for name in self.of_path if name in spelled}
            spelled = outside | {envelope: spelled}
        return security + ([spelled] if spelled else [])

    def _read(self, returned: Any) -> Any:
        return snake(returned)
