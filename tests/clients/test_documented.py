"""`docs/api.md` against the reference description: every operation in its scope, every parameter, and nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCUMENT = Path(__file__).parent.parent.parent / "docs/api.md"
SCOPE = re.compile(
    r"/(chat/completions|messages|responses|embeddings|embeddings/models|rerank|model/.*|models(/.*)?|providers|byok(/.*)?)"
)


@pytest.fixture(scope="module")
def reference(contract_dir: Path) -> dict[str, Any]:
    with (contract_dir / "openrouter-openapi.yaml").open("rb") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def test_every_parameter_is_documented(reference: dict[str, Any]) -> None:
    assert documented() == described(reference)


def documented() -> dict[str, set[str]]:
    """The names in the first column of each section's table."""
    sections = re.split(r"^### ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]
    found = {}
    for section in sections:
        title, _, text = section.partition("\n")
        rows = [row.split("|")[1] for row in text.splitlines() if row.startswith("| `")]
        names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
        assert len(names) == len(set(names)), f"{title} names a parameter twice"
        found[title] = set(names)
    return found


def described(reference: dict[str, Any]) -> dict[str, set[str]]:
    found = {}
    for path, item in reference["paths"].items():
        if not SCOPE.fullmatch(path):
            continue
        shared = item.get("parameters", [])
        for method in item.keys() - {"parameters"}:
            operation = item[method]
            parameters = [_resolved(reference, one) for one in shared + operation.get("parameters", [])]
            contents = operation.get("requestBody", {}).get("content", {})
            body = contents.get("application/json", {}).get("schema", {})
            names = {parameter["name"] for parameter in parameters} | _properties(reference, body)
            found[f"{method.upper()} {path}"] = names
    return found


def _properties(reference: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    schema = _resolved(reference, schema)
    inherited = [_properties(reference, part) for part in schema.get("allOf", [])]
    return set(schema.get("properties", {})).union(*inherited)


def _resolved(reference: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        target = reference
        for segment in value["$ref"].removeprefix("#/").split("/"):
            target = target[segment]
        value = target
    return value
