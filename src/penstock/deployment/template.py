"""Render the files of templates/."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template

FOLDER = Path(__file__).with_name("templates")


def fill_in(template: str, /, **values: object) -> str:
    """Render a template: replace each $name by its value.

    Raises:
        KeyError: The template has a name without a value.
    """
    return Template((FOLDER / f"{template}.in").read_text(encoding="utf-8")).substitute(values)


def quoted(value: object) -> str:
    """Format a value as JSON, which is also valid in YAML and in protobuf's text format."""
    return json.dumps(value, ensure_ascii=False)
