"""Read params.yaml into a `Config`; name every mistake by file, line, dotted key, problem and nearest valid name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from penstock.config.base import Document
from penstock.config.defaults import require_current_defaults
from penstock.config.params import Config
from penstock.config.renamed import has_anchors, outdated
from penstock.core.errors import ConfigError, nearest


def load_config(path: Path) -> Config:
    """Read and check params.yaml.

    Raises:
        ConfigError: The file is missing, is not YAML, or has mistakes; one line for each of them.
    """
    text = _read(path)
    values = _parse(path, text, YAML(typ="safe"))
    if has_anchors(text):
        raise ConfigError("\n".join(outdated(path.name, text)))
    require_current_defaults()
    try:
        # Dates and the like become the text that they are; keys that are no names are a TypeError.
        return Config.model_validate(json.loads(json.dumps(values, default=str)))
    except TypeError:
        raise ConfigError(f"{path.name}: every key must be a plain name") from None
    except ValidationError as error:
        raise ConfigError("\n".join(outdated(path.name, text) or _mistakes(path, text, error))) from None


def _mistakes(path: Path, text: str, error: ValidationError) -> list[str]:
    document = _parse(path, text, YAML())
    return [_describe(path, document, details) for details in error.errors()]


def place_of(path: Path, dotted: str) -> str:
    """Say where a key stands, as messages have it: params.yaml:107: models.iris_mlp.network.kind."""
    keys: list[str | int] = [int(key) if key.isdigit() else key for key in dotted.split(".")]
    return f"{path.name}:{line_of(read_document(path), keys)}: {dotted}"


def read_document(path: Path) -> Document:
    """Read a YAML file; its mappings and lists know their lines, and take six times as long as plain ones."""
    return _parse(path, _read(path), YAML())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run from inside a Penstock project") from None
    except ValueError:
        raise ConfigError(f"{path.name}: not valid YAML: not UTF-8 text") from None


def _parse(path: Path, text: str, yaml: YAML) -> Document:
    """Parse a YAML text as DVC does, with the same library: YAML 1.2, where 1e-4 is a number."""
    try:
        return yaml.load(text)
    except (YAMLError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f":{where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{path.name}{line}: not valid YAML: {problem}") from None


def _describe(path: Path, document: object, details: ErrorDetails) -> str:
    keys, problem = locate_mistake(document, details)
    return f"{path.name}:{line_of(document, keys)}: {_dotted(keys) or 'the file'}: {problem}"


def locate_mistake(document: object, details: ErrorDetails) -> tuple[list[str | int], str]:
    """Return the keys of a mistake in a document that pydantic has checked, and what is wrong there."""
    context = details.get("ctx", {})
    below = (_tag(context),) if details["type"].startswith("union_tag") else context.get("at", ())
    return _document_keys(document, details["loc"], below), _message(details)


def _tag(context: Mapping[str, str]) -> str:
    """The key that says which of several kinds of block this is."""
    return context["discriminator"].strip("'")


def _message(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "union_tag_invalid":
            if _tag(context) == "task" and isinstance(details["input"].get("task"), dict):
                return "is the name of a task; a LightningModule of one's own is network: {kind: module, path: ...}"
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


def _document_keys(document: Document, found: tuple[str | int, ...], below: Sequence[str | int]) -> list[str | int]:
    """The keys of a location that stand in the file.

    Args:
        document: Content of the file.
        found: Location by pydantic, which adds the kind of a union and '[key]' marks.
        below: Keys below it, by a check of ours.
    """
    keys: list[str | int] = []
    tag_passed = False
    location = (*found, *below)
    for position, part in enumerate(location):
        # Also if the block has a key of this name.
        if not tag_passed and position < len(found) and _is_tag(document, part):
            tag_passed = True
            continue
        if _holds(document, part):
            document, tag_passed = document[part], False
        elif position < len(location) - 1 or part == "[key]" or not isinstance(document, dict | list):
            continue
        keys.append(part)
    return keys


def _is_tag(document: Document, part: str | int) -> bool:
    """Return whether a part of a location is the kind of the block."""
    return isinstance(document, dict) and part in (document.get("kind"), document.get("task"))


def _holds(document: Document, key: str | int) -> bool:
    if isinstance(document, list):
        return isinstance(key, int) and key < len(document)
    return isinstance(document, dict) and key in document


def _key_in(document: Document, key: str | int) -> str | int:
    """Return the key as this block has it: the entries of a list are numbered."""
    return int(key) if isinstance(document, list) and str(key).isdigit() else key


def _dotted(keys: list[str | int]) -> str:
    return ".".join(str(key) for key in keys)


def stands_in(document: Document, keys: Sequence[str | int]) -> bool:
    """Whether a key stands in the file; list entries may be named by their number as text."""
    for part in keys:
        key = _key_in(document, part)
        if not _holds(document, key):
            return False
        document = document[key]
    return True


def line_of(document: Document, keys: Sequence[str | int]) -> int:
    """The line, counted from 1, of the deepest of `keys` that is in the file."""
    line = 0
    for part in keys:
        key = _key_in(document, part)
        if not _holds(document, key):
            break
        marks: Document = document.lc.data or {}
        line = marks[key][0] if key in marks else line
        document = document[key]
    return line + 1
