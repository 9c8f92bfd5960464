"""Check a changed params.yaml, and write it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from penstock.config.loading import load_config
from penstock.config.own_code import write_own_code
from penstock.config.params import Config
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.files import atomic_write


@dataclass(frozen=True)
class Change:
    """A new text of params.yaml, checked but not yet written."""

    path: Path
    before: str
    """Text of params.yaml when the command began."""
    after: str
    config: Config
    """Settings of the new text."""

    @classmethod
    def checked(cls, path: Path, before: str, after: str) -> Change:
        """Prepare a change.

        Raises:
            ConfigError: The new text has a mistake.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            copy.write_text(after, encoding="utf-8")
            return cls(path, before, after, load_config(copy))

    def write(self) -> None:
        """Write params.yaml with the line ends that it has, and pipelines/code.yaml for it.

        Raises:
            ConfigError: The file has been changed meanwhile; nothing is written.
        """
        target = self.path.resolve()  # a link stays a link
        newline = "\r\n" if b"\r\n" in target.read_bytes() else "\n"
        with atomic_write(target) as unfinished:
            unfinished.write_text(self.after, encoding="utf-8", newline=newline)
            shutil.copymode(target, unfinished)
            if target.read_text(encoding="utf-8", errors="replace") != self.before:
                raise ConfigError(f"{self.path.name}: has changed meanwhile and was not written; run the command again")
        write_own_code(Project(self.path.parent), self.config)
