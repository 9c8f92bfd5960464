"""params.yaml to a `Config`, and every mistake in it to a line: file, line, dotted key, what is wrong, nearest name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from penstock.config.base import Document
from penstock.config.params import Config
from penstock.core.errors import ConfigError, nearest


def load_config(path: Path) -> Config:
    """Reads and checks params.yaml.

    Raises:
        ConfigError: the file is missing, is no YAML, or has mistakes; one line for each of them.
    """
    document = _read_yaml(path)
    try:
        # ruamel's own number and mapping types know their lines; the strict rules want Python's.
        return Config.model_validate(json.loads(json.dumps(document, default=str)))
    except (TypeError, RecursionError):
        raise ConfigError(
            f"{path.name}: every key must be a plain name, and blocks must not contain themselves"
        ) from None
    except ValidationError as error:
        lines = [_describe(path, document, details) for details in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def place_of(path: Path, dotted: str) -> str:
    """Where a key stands, as messages have it: params.yaml:107: models.iris_mlp.network.kind."""
    keys: list[str | int] = [int(key) if key.isdigit() else key for key in dotted.split(".")]
    return f"{path.name}:{_line(_read_yaml(path), keys)}: {dotted}"


def _read_yaml(path: Path) -> Document:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = path.read_text(encoding="utf-8")
        # DVC reads the file with the same library: YAML 1.2, where 1e-4 is a number. What DVC's quicker parser does not
        # take, an address without quotes in [ ] for example, is to be said here and not there.
        YAML(typ="safe").load(text)
        return YAML().load(text)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run from inside a Penstock project") from None
    except (YAMLError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f":{where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise ConfigError(f"{path.name}{line}: not valid YAML: {problem}") from None


def _describe(path: Path, document: object, details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    below = (_tag(context),) if details["type"].startswith("union_tag") else context.get("at", ())
    keys = _document_keys(document, (*details["loc"], *below))
    return f"{path.name}:{_line(document, keys)}: {_dotted(keys) or 'the file'}: {_message(details)}"


def _tag(context: Mapping[str, str]) -> str:
    """The key that says which of several kinds of block this is."""
    return context["discriminator"].strip("'")


def _message(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "union_tag_invalid":
            expected = [tag.strip("'") for tag in context["expected_tags"].split(", ")]
            return f"unknown {_tag(context)} '{context['tag']}'{nearest(context['tag'], expected)}"
        case "missing" | "union_tag_not_found":
            return "missing key"
        case "mistake":
            return str(context["message"])
        case "literal_error":
            return f"{details['input']!r} is not one of {context['expected']}"
        case _:
            return f"{details['msg'][0].lower()}{details['msg'][1:]}, not {details['input']!r}"


def _document_keys(document: Document, location: tuple[str | int, ...]) -> list[str | int]:
    """The keys of `location` that stand in the file: pydantic adds the kind of a union and '[key]' marks."""
    keys: list[str | int] = []
    for position, part in enumerate(location):
        if _holds(document, part):
            document = document[part]
        elif position < len(location) - 1 or part == "[key]":
            continue
        keys.append(part)
    return keys


def _holds(document: Document, key: str | int) -> bool:
    if isinstance(document, list):
        return isinstance(key, int) and key < len(document)
    return isinstance(document, dict) and key in document


def _dotted(keys: list[str | int]) -> str:
    return ".".join(str(key) for key in keys)


def _line(document: Document, keys: list[str | int]) -> int:
    """The line, counted from 1, of the deepest of `keys` that is in the file."""
    line = 0
    for key in keys:
        if not _holds(document, key):
            break
        # What a YAML merge (<<) brings in has no place of its own; the block that it is merged into has.
        marks: Document = document.lc.data or {}
        line = marks[key][0] if key in marks else line
        document = document[key]
    return line + 1
