"""OpenRouter's SDKs under one set of names, so that one suite tries them all.

Only names are translated. Arguments go to the SDK's own calls as its version spells them, and what
comes back has passed its schemas.
"""

import re
from datetime import datetime
from typing import Any, Protocol

from openrouter import OpenRouter, errors
from pydantic import BaseModel

from node import Node, Thrown


class SdkError(Exception):
    """An error that an SDK raised: its class, and what it says about the answer."""

    def __init__(self, type: str, status: int | None, message: str):
        super().__init__(f"{type} ({status}): {message}")
        self.type = type
        self.status = status
        self.message = message


class Sdk(Protocol):
    """What the suite asks of an SDK. `key` is the API key to present."""

    # Whether its types know `usage.cost`.
    shows_cost: bool

    def keys(self, key: str, **query: Any) -> dict[str, Any]: ...
    def create(self, key: str, **body: Any) -> dict[str, Any]: ...
    def get(self, key: str, hash: str) -> dict[str, Any]: ...
    def update(self, key: str, hash: str, **body: Any) -> dict[str, Any]: ...
    def delete(self, key: str, hash: str) -> dict[str, Any]: ...
    def current(self, key: str) -> dict[str, Any]: ...
    def chat(self, key: str, **request: Any) -> dict[str, Any]: ...
    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]: ...
    def models(self, key: str) -> list[dict[str, Any]]: ...


class TypeScriptSdk:
    """npm `@openrouter/sdk` in one of the versions that `node/package.json` names."""

    def __init__(self, node: Node, version: str, base_url: str):
        self._node = node
        self._version = version
        self._base_url = base_url
        self.shows_cost = version == "openrouter-newest"

    def keys(self, key: str, **query: Any) -> dict[str, Any]:
        return self._call("list", key, _camel(query))

    def create(self, key: str, **body: Any) -> dict[str, Any]:
        return self._call("create", key, _camel(body))

    def get(self, key: str, hash: str) -> dict[str, Any]:
        return self._call("get", key, hash)

    def update(self, key: str, hash: str, **body: Any) -> dict[str, Any]:
        return self._call("update", key, hash, _camel(body))

    def delete(self, key: str, hash: str) -> dict[str, Any]:
        return self._call("remove", key, hash)

    def current(self, key: str) -> dict[str, Any]:
        return self._call("current", key)

    def chat(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call("chat", key, _camel(request))

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        return self._call("stream", key, _camel(request))

    def models(self, key: str) -> list[dict[str, Any]]:
        return self._call("models", key)

    def _call(self, method: str, key: str, *arguments: Any) -> Any:
        try:
            return snake(self._node.call(self._version, method, self._base_url, key, *arguments))
        except Thrown as error:
            raise SdkError(error.type, error.status, error.message) from error


class PythonSdk:
    """PyPI `openrouter`."""

    shows_cost = True

    def __init__(self, base_url: str):
        self._base_url = base_url

    def keys(self, key: str, **query: Any) -> dict[str, Any]:
        return self._call(key, lambda sdk: sdk.api_keys.list(**query))

    def create(self, key: str, **body: Any) -> dict[str, Any]:
        if expires_at := body.get("expires_at"):
            body["expires_at"] = datetime.fromisoformat(expires_at.replace("Z", "+00:00"))
        return self._call(key, lambda sdk: sdk.api_keys.create(**body))

    def get(self, key: str, hash: str) -> dict[str, Any]:
        return self._call(key, lambda sdk: sdk.api_keys.get(hash=hash))

    def update(self, key: str, hash: str, **body: Any) -> dict[str, Any]:
        return self._call(key, lambda sdk: sdk.api_keys.update(hash=hash, **body))

    def delete(self, key: str, hash: str) -> dict[str, Any]:
        return self._call(key, lambda sdk: sdk.api_keys.delete(hash=hash))

    def current(self, key: str) -> dict[str, Any]:
        return self._call(key, lambda sdk: sdk.api_keys.get_current_key_metadata())

    def chat(self, key: str, **request: Any) -> dict[str, Any]:
        return self._call(key, lambda sdk: sdk.chat.send(**request))

    def stream(self, key: str, **request: Any) -> list[dict[str, Any]]:
        def chunks(sdk: OpenRouter) -> list[Any]:
            with sdk.chat.send(**request, stream=True) as events:
                return list(events)

        return self._call(key, chunks)

    def models(self, key: str) -> list[dict[str, Any]]:
        def pages(sdk: OpenRouter) -> list[Any]:
            found, page = [], sdk.models.list()
            while page is not None:
                found += page.result.data
                page = page.next()
            return found

        return self._call(key, pages)

    def _call(self, key: str, call) -> Any:
        with OpenRouter(api_key=key, server_url=self._base_url, retry_config=None) as sdk:
            try:
                returned = call(sdk)
            except errors.OpenRouterError as error:
                raise SdkError(type(error).__name__, error.status_code, error.message) from error
        return [_on_the_wire(one) for one in returned] if isinstance(returned, list) else _on_the_wire(returned)


def _on_the_wire(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(by_alias=True)


def _camel(value: dict[str, Any]) -> dict[str, Any]:
    return {re.sub(r"_(\w)", lambda found: found[1].upper(), name): one for name, one in value.items()}


# What is the caller's own data, and has no spelling.
VERBATIM = {"schema", "parameters"}


def camel_all_through(value: Any) -> Any:
    """The same for what stands inside."""
    if isinstance(value, list):
        return [camel_all_through(one) for one in value]
    if isinstance(value, dict):
        inside = {name: one if name in VERBATIM else camel_all_through(one) for name, one in value.items()}
        return _camel(inside)
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
