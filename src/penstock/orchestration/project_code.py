"""Whether a process runs the code whose hashes are in the provenance of a project's models."""

from __future__ import annotations

from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.code_record import SOURCE, has_own_source, package_folder, require_recorded_code


def require_project_code(project: Project, hint: str = "") -> None:
    """Require that this process runs the code in a clone's src/, or else the recorded code.

    Args:
        project: The project.
        hint: What to do where it is that of another folder.

    Raises:
        ConfigError: It runs other code.
    """
    if not has_own_source(project):
        require_recorded_code(project)
        return
    package = package_folder()
    if package != (project.root / SOURCE).resolve():
        raise ConfigError(f"this process runs the code in {package}, not that of {project.root}{hint}")
