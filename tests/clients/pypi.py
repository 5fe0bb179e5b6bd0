"""The packages of PyPI, which run here."""

import asyncio
import contextlib
import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import openrouter
from pydantic import BaseModel

from package import FINAL, Refused


class PyPiPackage:
    """One that runs here."""

    def __init__(self, name: str, open: Any, open_async: Any, failure: type[Exception], base_url: str):
        self.name = name
        self._opener = open
        self._async_opener = open_async
        self._failure = failure
        self._base_url = base_url

    def call(self, key: str, method: str, /, **request: Any) -> Any:
        return self._do(key, method, request, plain)

    def stream(self, key: str, method: str, /, **request: Any) -> list[Any]:
        def chunks(stream: AbstractContextManager) -> list[Any]:
            with stream as events:
                return [plain(event) for event in events]

        return self._do(key, method, request | {"stream": True}, chunks)

    def items(self, key: str, method: str, /, **request: Any) -> list[Any]:
        return self._do(key, method, request, lambda pages: [plain(item) for item in pages])

    def added_up(self, key: str, method: str, /, **request: Any) -> Any:
        def sum_of(stream: AbstractContextManager) -> Any:
            with stream as events:
                return plain(getattr(events, FINAL[method])())

        return self._do(key, method, request, sum_of)

    def leave(self, key: str, method: str, after: int, /, **request: Any) -> int:
        def some(stream: AbstractContextManager) -> int:
            with stream as events:
                return next((seen for seen, _ in enumerate(events, 1) if seen == after), 0)

        return self._do(key, method, request | {"stream": True}, some)

    def abort(self, key: str, method: str, after: int, /, **request: Any) -> int:
        """The same where the package does not block: the task that reads is cancelled."""
        seen = 0

        async def read() -> None:
            nonlocal seen
            async with self._open(key, self._async_opener) as client:
                called = _reached(client, self._async_name(method))
                async with await called(**self._arguments(called, request | {"stream": True})) as events:
                    async for _ in events:
                        seen += 1
                        if seen == after:
                            asyncio.current_task().cancel()

        async def cancelled() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.create_task(read())

        asyncio.run(cancelled())
        return seen

    def offers(self) -> set[str]:
        return set(_methods(self._open("none"), ""))

    def _async_name(self, method: str) -> str:
        return method

    def _open(self, key: str, opener: Any = None) -> Any:
        return (opener or self._opener)(api_key=key, base_url=self._base_url, max_retries=0)

    def _do(self, key: str, method: str, request: dict[str, Any], use: Any) -> Any:
        with self._open(key) as client:
            called = _reached(client, method)
            try:
                return use(called(**self._arguments(called, request)))
            except self._failure as error:
                raise Refused(getattr(error, "status_code", None), type(error).__name__, str(error)) from error

    def _arguments(self, called: Any, request: dict[str, Any]) -> dict[str, Any]:
        """Fields that the package does not know go as it lets them."""
        known = inspect.signature(called).parameters
        unknown = {name: value for name, value in request.items() if name not in known}
        return {name: request[name] for name in request if name in known} | ({"extra_body": unknown} if unknown else {})


class PyPiOpenRouter(PyPiPackage):
    """PyPI `openrouter`, whose schemas are the strictest."""

    def __init__(self, name: str, base_url: str):
        sdk = openrouter.OpenRouter
        super().__init__(name, sdk, sdk, openrouter.errors.OpenRouterError, base_url)

    def items(self, key: str, method: str, /, **request: Any) -> list[Any]:
        def items_of(page: Any) -> list[Any]:
            found = []
            while page is not None:
                found += page.result.data
                page = page.next()
            return [plain(item) for item in found]

        return self._do(key, method, request, items_of)

    def offers(self) -> set[str]:
        sdk = self._open("none")
        found = {name for part in sdk._sub_sdk_map for name in _methods(getattr(sdk, part), f"{part}.")}
        return {name for name in found if not name.endswith(("do_request", "_async"))}

    def _async_name(self, method: str) -> str:
        return f"{method}_async"

    def _open(self, key: str, opener: Any = None) -> Any:
        return (opener or self._opener)(api_key=key, server_url=self._base_url, retry_config=None)

    def _arguments(self, called: Any, request: dict[str, Any]) -> dict[str, Any]:
        return request


def _reached(client: Any, method: str) -> Any:
    for name in method.split("."):
        client = getattr(client, name)
    return client


def _methods(home: Any, path: str) -> Iterator[str]:
    """The methods of a client and of its parts, by their names from the client on."""
    package = type(home).__module__.partition(".")[0]
    for name in dir(type(home)):
        if name.startswith(("_", "with_")):
            continue
        static = inspect.getattr_static(type(home), name)
        if isinstance(static, cached_property | property):
            part = getattr(home, name)
            if type(part).__module__.startswith(f"{package}.resources"):
                yield from _methods(part, f"{path}{name}.")
        elif callable(static) and path:
            yield f"{path}{name}"


def plain(returned: Any) -> Any:
    """What a package of PyPI returned, as it would stand on the wire."""
    return returned.model_dump(by_alias=True, warnings=False) if isinstance(returned, BaseModel) else returned
