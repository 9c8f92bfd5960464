"""Fill in the files of templates/."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template

FOLDER = Path(__file__).with_name("templates")


def fill_in(template: str, /, **values: object) -> str:
    """Return a template with its $names replaced.

    Raises:
        KeyError: The template has a name without a value.
    """
    return Template((FOLDER / f"{template}.in").read_text(encoding="utf-8")).substitute(values)


def quoted(value: object) -> str:
    """Return a JSON value, which YAML and protobuf's text format accept as well."""
    return json.dumps(value, ensure_ascii=False)
