"""The client packages of npm and PyPI, each with nothing but its base URL changed."""

import anthropic
import openai

from node import Node
from npm import NpmOpenRouter, NpmPackage
from package import Package
from pypi import PyPiOpenRouter, PyPiPackage

NAMES = [
    "npm openai",
    "PyPI openai",
    "npm anthropic",
    "PyPI anthropic",
    "npm openrouter",
    "npm openrouter 0.1",
    "PyPI openrouter",
]


def opened(name: str, node: Node, base_url: str) -> Package:
    """The package of this name."""
    match name.split():
        case ["npm", "openrouter", *version]:
            return NpmOpenRouter(name, node, f"openrouter-{version[0] if version else 'newest'}", base_url)
        case ["npm", client]:
            return NpmPackage(name, node, client, base_url)
        case ["PyPI", "openrouter"]:
            return PyPiOpenRouter(name, base_url)
        case ["PyPI", "openai"]:
            return PyPiPackage(name, openai.OpenAI, openai.AsyncOpenAI, openai.APIError, base_url)
        case ["PyPI", "anthropic"]:
            origin = base_url.removesuffix("/v1")
            return PyPiPackage(name, anthropic.Anthropic, anthropic.AsyncAnthropic, anthropic.APIError, origin)
    raise ValueError(f"no such package: {name}")
