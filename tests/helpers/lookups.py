"""Record the names of hosts that processes look up, by a C library that is loaded into them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
# MLflow and DVC disable their telemetry where one of the first is set; make writes more lines below another make.
OF_TESTS = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "PYTEST_CURRENT_TEST", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")


@dataclass(frozen=True)
class Lookups:
    """Record of the look-ups of some processes and their children, in a folder."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the processes; their caches are in the folder as well."""
        library = self.folder / "lookups.so"
        if not library.exists():
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        places = {name: str(self.folder) for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
        return {"LD_PRELOAD": str(library), "LOOKUPS": str(self._names), **places}

    def environment_of_a_newcomer(self) -> dict[str, str]:
        """Return all variables of processes that find no name, and whose user has set none."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.folder), "LOOKUPS_REFUSED": "1", **self.environment}

    @property
    def _names(self) -> Path:
        return self.folder / "names"

    def names(self) -> set[str]:
        return set(self._names.read_text().split()) if self._names.exists() else set()

    def identifiers(self) -> list[str]:
        """Return the files by which onnxruntime and MLflow recognize an installation."""
        return [path.name for pattern in ("deviceid", "telemetry.json") for path in self.folder.rglob(pattern)]


def without_variables_of_tests() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in OF_TESTS}
