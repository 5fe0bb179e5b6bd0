"""OpenRouter's SDKs under the names that their suite has for their calls."""

from typing import Any

from package import Package


class Sdk:
    """One of them. `key` is the API key to present."""

    def __init__(self, package: Package):
        self._package = package
        # Whether its types know `usage.cost`.
        self.shows_cost = not package.name.endswith("0.1")

    def keys(self, key: str, **query: Any) -> dict[str, Any]:
        return self._package.call(key, "api_keys.list", **query)

    def create(self, key: str, **body: Any) -> dict[str, Any]:
        return self._package.call(key, "api_keys.create", **body)

    def get(self, key: str, hash: str) -> dict[str, Any]:
        return self._package.call(key, "api_keys.get", hash=hash)

    def update(self, key: str, hash: str, **body: Any) -> dict[str, Any]:
        return self._package.call(key, "api_keys.update", hash=hash, **body)

    def delete(self, key: str, hash: str) -> dict[str, Any]:
        return self._package.call(key, "api_keys.delete", hash=hash)

    def current(self, key: str) -> dict[str, Any]:
        return self._package.call(key, "api_keys.get_current_key_metadata")

    def chat(self, key: str, **request: Any) -> dict[str, Any]:
        return self._package.call(key, "chat.send", **request)

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return self._package.stream(key, "chat.send", **request)

    def models(self, key: str) -> list[dict[str, Any]]:
        return self._package.items(key, "models.list")
