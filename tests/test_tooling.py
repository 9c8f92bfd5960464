"""The files of tools name programs, commands and versions that are there."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version

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


@pytest.fixture(scope="module")
def extras(repository):
    """The names of the distributions of each extra."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    found = project["optional-dependencies"]
    return {extra: {re.split(r"[<>=;\[ ]", one)[0] for one in lines} for extra, lines in found.items()}


# The packages of this repository, and those whose name many distributions share.
OURS = {"penstock", "pipelines", "workspace", "scripts", "tests", "benchmarks"}
NAMESPACES = {"google": "protobuf", "ruamel": "ruamel.yaml"}


def imported_packages(file):
    """Return the top-level names that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("src/penstock/serving", {"serve"}),
        ("src", {"serve", "registry", "pipeline"}),
        ("pipelines", {"pipeline"}),
        ("scripts", {"pipeline"}),
        ("tests", {"serve", "registry", "pipeline", "test"}),
    ],
)
def test_every_import_is_a_declared_dependency(repository, extras, folder, allowed):
    declared = {_normal(name) for extra in allowed for name in extras[extra]}
    providers = packages_distributions()
    undeclared: dict[str, str] = {}
    for file in (repository / folder).rglob("*.py"):
        for name in imported_packages(file) - OURS - sys.stdlib_module_names:
            provided_by = {NAMESPACES[name]} if name in NAMESPACES else providers.get(name, [name])
            if declared.isdisjoint(_normal(provider) for provider in provided_by):
                undeclared.setdefault(name, str(file.relative_to(repository)))
    assert undeclared == {}


def test_a_dvc_without_an_imported_name_is_reported_with_the_remedy():
    program = "import dvc.schema; del dvc.schema.COMPILED_LOCKFILE_SCHEMA; import penstock.orchestration.dvc_patches"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert re.search(r"PenstockError: dvc [\d.]+ .*COMPILED_LOCKFILE_SCHEMA.*--constraint constraints\.txt dvc$", last)


def test_every_dependency_is_pinned_to_the_installed_version(pinned, extras):
    names = set().union(*extras.values())
    installed = {name: version(name).partition("+")[0] for name in names}
    assert {name: pinned.get(_normal(name)) for name in names} == installed


@pytest.mark.parametrize("venv", [".venv", "an environment", "{tmp_path}/an environment"])
def test_make_takes_paths_with_blanks(repository, tmp_path, venv):
    folder, venv = tmp_path / "a folder", venv.format(tmp_path=tmp_path)
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(repository / name, folder)

    def commands():
        make = ["make", "--dry-run", "repro", f"VENV={venv}"]
        done = subprocess.run(make, cwd=folder, capture_output=True, text=True, check=True)
        return [shlex.split(line) for line in done.stdout.splitlines() if "pip install" in line or "touch" in line]

    install, touch = commands()
    assert install[0] == str(folder / venv / "bin/python")
    assert touch == ["touch", f"{venv}/.pipeline"]
    (folder / venv).mkdir()
    (folder / touch[1]).touch()
    assert commands() == []
