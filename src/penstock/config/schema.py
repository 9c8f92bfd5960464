"""The JSON schema of params.yaml, for editors and other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.config.params import Config

FILE = Path(__file__).with_name("params.schema.json")


def schema() -> dict[str, Any]:
    """Build the schema of params.yaml from the typed configuration, with descriptions and defaults."""
    built = Config.model_json_schema()
    _forbid_other_names(built)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **built}


def _forbid_other_names(block: dict[str, Any]) -> None:
    """Reject the names of entries that match no pattern, as `load_config` does."""
    if "patternProperties" in block:
        block["additionalProperties"] = False
    for part in block.values():
        if isinstance(part, dict):
            _forbid_other_names(part)


def schema_text() -> str:
    """The content of params.schema.json."""
    return json.dumps(schema(), indent=2) + "\n"
