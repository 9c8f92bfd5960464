"""Read params.yaml into a `Config`; name every mistake by file, line, dotted key, problem and nearest valid name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from penstock.config.base import Document
from penstock.config.params import Config
from penstock.config.renamed import renamed_keys
from penstock.core.errors import ConfigError, nearest


def load_config(path: Path) -> Config:
    """Read and check params.yaml.

    Raises:
        ConfigError: The file is missing, is not YAML, or has mistakes; one line for each of them.
    """
    document = read_document(path)
    try:
        # ruamel's own number and mapping types know their lines; the strict rules want Python's.
        return Config.model_validate(json.loads(json.dumps(document, default=str)))
    except (TypeError, RecursionError):
        raise ConfigError(
            f"{path.name}: every key must be a plain name, and blocks must not contain themselves"
        ) from None
    except ValidationError as error:
        lines = _old_keys(path, document) or [_describe(path, document, details) for details in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _old_keys(path: Path, document: Document) -> list[str]:
    """A line for each key of an older version; its other mistakes are mostly those of these keys."""
    return [f"{path.name}:{line_of(document, keys)}: {_dotted(keys)}: {text}" for keys, text in renamed_keys(document)]


def place_of(path: Path, dotted: str) -> str:
    """Say where a key stands, as messages have it: params.yaml:107: models.iris_mlp.network.kind."""
    keys: list[str | int] = [int(key) if key.isdigit() else key for key in dotted.split(".")]
    return f"{path.name}:{line_of(read_document(path), keys)}: {dotted}"


def read_document(path: Path) -> Document:
    """Read a YAML file; its mappings and lists know their lines."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = path.read_text(encoding="utf-8")
        # DVC reads the file with the same library: YAML 1.2, where 1e-4 is a number. What DVC's quicker parser does not
        # take, an address without quotes in [ ] for example, is to be said here and not there.
        YAML(typ="safe").load(text)
        _refuse_anchors(path, text)
        return YAML().load(text)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run from inside a Penstock project") from None
    except (YAMLError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f":{where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise ConfigError(f"{path.name}{line}: not valid YAML: {problem}") from None


def _refuse_anchors(path: Path, text: str) -> None:
    """`dvc exp run -S` writes them out, or drops a change to what they share, without a word."""
    from ruamel.yaml import YAML
    from ruamel.yaml.tokens import AliasToken, AnchorToken

    if "&" not in text and "*" not in text:
        return
    for token in YAML().scan(text):
        if isinstance(token, AnchorToken | AliasToken):
            raise ConfigError(
                f"{path.name}:{token.start_mark.line + 1}: YAML anchors (&, *, <<) are not allowed, since `dvc exp run "
                "-S` does not keep them; say what differs from the defaults"
            )


def _describe(path: Path, document: object, details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    below = (_tag(context),) if details["type"].startswith("union_tag") else context.get("at", ())
    keys = _document_keys(document, (*details["loc"], *below))
    return f"{path.name}:{line_of(document, keys)}: {_dotted(keys) or 'the file'}: {_message(details)}"


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


def stands_in(document: Document, keys: Sequence[str | int]) -> bool:
    """Whether a key stands in the file; list entries may be named by their number as text."""
    for key in keys:
        key = int(key) if isinstance(document, list) else key  # noqa: PLW2901
        if not _holds(document, key):
            return False
        document = document[key]
    return True


def line_of(document: Document, keys: Sequence[str | int]) -> int:
    """The line, counted from 1, of the deepest of `keys` that is in the file."""
    line = 0
    for key in keys:
        key = int(key) if isinstance(document, list) else key  # noqa: PLW2901
        if not _holds(document, key):
            break
        marks: Document = document.lc.data or {}
        line = marks[key][0] if key in marks else line
        document = document[key]
    return line + 1
