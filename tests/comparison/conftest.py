"""A project with hand-made classifiers, and the command in it."""

import json
from dataclasses import dataclass

import pytest

from penstock.cli import main
from tests.helpers.compared_models import ComparedProject


@dataclass(frozen=True)
class Done:
    """What a command has printed."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self):
        return json.loads(self.out)


@pytest.fixture
def here(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return ComparedProject.create(repository, tmp_path)


@pytest.fixture
def compare(here, capsys):
    """A function that runs `penstock compare` in the project."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(["compare", *arguments])
        assert isinstance(exit_.value.code, int)
        return Done(exit_.value.code, *capsys.readouterr())

    return run
