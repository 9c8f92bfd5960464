"""A project of iris_mlp that was trained, registered, and committed; and copies of it to break."""

import json
import shutil
from types import SimpleNamespace

import pytest

from penstock.cli import main
from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.io.files import sha256
from penstock.registry.register import register_models
from tests.helpers.small_project import SmallProject


class TracedProject:
    """A copy of the project, which is the working directory."""

    def __init__(self, root, capsys):
        self.root = root
        self.capsys = capsys
        self.project = Project(root)
        self.files = self.project.model("iris_mlp", "models")
        self.small = SmallProject(root)

    @property
    def sha256(self):
        return sha256(self.files.onnx)

    @property
    def uri(self):
        return f"sqlite:///{self.root}/mlflow.db"

    def shown(self, *arguments):
        """Run `penstock lineage`; return its exit code, stdout and stderr."""
        code: str | int | None = 0
        try:
            main(["lineage", *map(str, arguments)])
        except SystemExit as end:
            code = end.code
        out = self.capsys.readouterr()
        return SimpleNamespace(code=code, out=out.out, err=out.err)

    def lineage(self, *arguments):
        """Return the exit code and the links by their names."""
        shown = self.shown(*arguments, "--json")
        assert shown.out, shown.err
        document = json.loads(shown.out)
        links = {link["name"]: link for link in document["links"]}
        return SimpleNamespace(code=shown.code, links=links, **{key: document[key] for key in ("sha256", "intact")})

    def broken(self, *arguments):
        """Return the names of the broken links, after the exit code was compared with them."""
        found = self.lineage(*arguments)
        broken = [name for name, link in found.links.items() if link["status"] == "broken"]
        assert (found.code, found.intact) == ((1, False) if broken else (0, True))
        return broken


@pytest.fixture(scope="session")
def registered_run(iris_run, tmp_path_factory):
    """The project after `penstock register`."""
    project = iris_run.copied_to(tmp_path_factory.mktemp("registered") / "project")
    assert register_models(Project(project.root), load_config(project.root / "params.yaml"))
    return project


@pytest.fixture
def traced(registered_run, tmp_path, monkeypatch, capsys):
    root = tmp_path / "project"
    shutil.copytree(registered_run.root, root, symlinks=True)
    monkeypatch.chdir(root)
    capsys.readouterr()
    return TracedProject(root, capsys)
