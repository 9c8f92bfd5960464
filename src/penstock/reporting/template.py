"""Open the templates of the reports."""

from __future__ import annotations

import math
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from penstock.comparison.sections import p_text
from penstock.core.console import file_size
from penstock.core.plurals import counted
from penstock.reporting.measures import measure, numbers, places, shown


def _signed(name: str, value: float) -> str:
    return f"{value:+z.{places(name, value)}f}"


def _gate_value(value: float) -> str:
    if math.isnan(value):
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.6g}"


def environment() -> Environment:
    """Return the environment of the templates in this package, with the functions that they call."""
    found = Environment(
        loader=PackageLoader("penstock.reporting", "."),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions: dict[str, Any] = {
        "counted": counted,
        "file_size": file_size,
        "gate_value": _gate_value,
        "measure": measure,
        "numbers": numbers,
        "p_text": p_text,
        "shown": shown,
        "signed": _signed,
    }
    found.globals |= functions
    return found
