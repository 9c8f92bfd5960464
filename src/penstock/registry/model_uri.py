"""Parse URIs of models in MLflow's registry."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.core.errors import ConfigError

_FORM = re.compile(r"models:/(?P<name>\w[\w.-]*)(@(?P<alias>[\w.-]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class ModelURI:
    """`models:/NAME@ALIAS` or `models:/NAME/VERSION`. Either the alias or the version is empty."""

    name: str
    alias: str
    version: str

    @classmethod
    def parse(cls, text: str) -> ModelURI:
        """Parse a URI.

        Raises:
            ConfigError: The text has neither form.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise ConfigError(f"{text}: write models:/NAME@ALIAS or models:/NAME/VERSION")
        return cls(match["name"], match["alias"] or "", match["version"] or "")

    def __str__(self) -> str:
        return f"models:/{self.name}@{self.alias}" if self.alias else f"models:/{self.name}/{self.version}"
