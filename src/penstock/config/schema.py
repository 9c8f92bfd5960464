"""The JSON schema of params.yaml, for editors and other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.config.params import Config

FILE = Path(__file__).with_name("params.schema.json")


def schema() -> dict[str, Any]:
    """Build the schema of params.yaml from the typed configuration, with descriptions and defaults."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def schema_text() -> str:
    """The content of params.schema.json."""
    return json.dumps(schema(), indent=2) + "\n"
