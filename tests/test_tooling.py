"""The files of tools name programs, commands and versions that are there."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest
from ruamel.yaml import YAML


@pytest.fixture(scope="module")
def makefile(repository):
    return (repository / "Makefile").read_text()


@pytest.fixture(scope="module")
def pinned(repository):
    lines = (repository / "constraints.txt").read_text().splitlines()
    return {_normal(name): pin for name, _, pin in (line.partition("==") for line in lines)}


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_make_help_lists_every_command(repository, makefile):
    (phony,) = re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)
    listed = subprocess.run(["make", "help"], cwd=repository, check=True, capture_output=True, text=True).stdout
    assert set(phony.split()) == set(re.findall(r"^make (\S+) +\w", listed, re.MULTILINE))


def test_hooks_run_what_make_lint_runs(repository, makefile):
    (local,) = YAML(typ="safe").load((repository / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    hooks = [hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in local["hooks"]]
    (recipe,) = re.findall(r"^lint:.*\n((?:\t@.*\n)+)", makefile, re.MULTILINE)
    assert hooks == re.findall(r"\t@(.*)\n", recipe)


def test_the_hooks_configuration_is_valid(repository):
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config"], cwd=repository, check=True)


def test_every_dependency_is_pinned_to_the_installed_version(repository, pinned):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    names = {re.split(r"[<>=;\[ ]", one)[0] for extra in extras.values() for one in extra}
    installed = {name: version(name).partition("+")[0] for name in names}
    assert {name: pinned.get(_normal(name)) for name in names} == installed
