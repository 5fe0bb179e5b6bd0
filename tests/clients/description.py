"""OpenAPI descriptions, and what in an answer goes against them."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

# What clients parse as a date; it has seconds and an offset.
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
FORMATS = FormatChecker(["uuid"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    if not DATE_TIME.fullmatch(value):
        return False
    datetime.strptime(value[:19], "%Y-%m-%dT%H:%M:%S")
    return True


@dataclass(frozen=True)
class Operation:
    """One method of one path, as a description has it."""

    pointer: tuple[str, ...]
    responses: dict[str, Any]

    def documents(self, status: int) -> bool:
        return str(status) in self.responses

    def content(self, status: int) -> dict[str, Any]:
        """The documented contents by type; empty where the description leaves them open."""
        return self.responses.get(str(status), {}).get("content", {})


class Description:
    """One description, with the name that reports call it by."""

    def __init__(self, name: str, document: dict[str, Any]):
        self.name = name
        self._uri = f"urn:{name}"
        self._document = document
        self._registry = Registry().with_resource(self._uri, DRAFT202012.create_resource(document))
        base = urlsplit(document.get("servers", [{"url": ""}])[0]["url"]).path.rstrip("/")
        # Literal segments win over templates.
        paths = sorted(document["paths"], key=lambda path: path.count("{"))
        self._paths = [(re.compile(_pattern(base + path)), path) for path in paths]

    @classmethod
    def reference(cls, path: Path) -> "Description":
        with path.open("rb") as file:
            return cls("reference", yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))

    @classmethod
    def own(cls, text: bytes) -> "Description":
        return cls("own", json.loads(text))

    def operation(self, method: str, path: str) -> Operation | None:
        for pattern, template in self._paths:
            if pattern.fullmatch(path):
                operation = self._document["paths"][template].get(method.lower())
                pointer = ("paths", template, method.lower())
                return operation and Operation(pointer, operation["responses"])
        return None

    def mistakes(self, operation: Operation, status: int, content_type: str, value: Any) -> list[str]:
        """What `value` has that the schema of this answer forbids, each with a pointer to it."""
        pointer = (*operation.pointer, "responses", str(status), "content", content_type, "schema")
        schema = {"$ref": f"{self._uri}#/{'/'.join(map(_escaped, pointer))}"}
        validator = Draft202012Validator(schema, registry=self._registry, format_checker=FORMATS)
        return [
            f"{error.json_path}: {error.message} ({self.name} description, {'/'.join(map(str, error.schema_path))})"
            for error in validator.iter_errors(value)
        ]


def _pattern(template: str) -> str:
    """A path of a description as a regular expression; every route also answers with a slash at its end."""
    parts = re.split(r"\{[^}]*\}", template)
    return "[^/]+".join(map(re.escape, parts)) + "/?"


def _escaped(segment: str) -> str:
    """A segment of a JSON pointer in a URI."""
    pointer = segment.replace("~", "~0").replace("/", "~1")
    return pointer.replace("{", "%7B").replace("}", "%7D")
