"""dvc.yaml lists, for every stage, the files and folders of the modules that its script imports, and no others."""

import ast
import re

import grimp
import pytest
from ruamel.yaml import YAML

from penstock.io.provenance import python_files
from scripts.tuned_pipeline import seeds_pipeline, tuned_pipeline

# They cannot change an output (dvc.yaml says why); a stage need not run again for them.
HARMLESS = ("penstock.config", "penstock.core", "penstock.orchestration", "penstock.tracking")
STAGES = [
    "download",
    "preprocess",
    "baseline",
    "train",
    "export",
    "validate",
    "register",
    "fid_reference",
    "report",
    "seeds",
]


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("penstock")


@pytest.fixture(scope="module")
def params(repository):
    return YAML(typ="safe").load((repository / "params.yaml").read_text())


def is_harmless(module, stage):
    inside = f"{module}."
    return any(inside.startswith(f"{package}.") for package in HARMLESS) or (
        stage != "report" and inside.startswith("penstock.reporting.")
    )


def imported(graph, modules, stage):
    """The modules and what they import, directly or not, without harmless ones and without packages."""
    todo, seen = list(modules), set()
    while todo:
        module = todo.pop()
        if module not in seen and not is_harmless(module, stage):
            seen.add(module)
            todo += graph.find_modules_directly_imported_by(module)
    return {module for module in seen if not graph.find_children(module)}


def imported_by_script(graph, script):
    names = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("penstock")
        for alias in node.names
    ]
    return {name if name in graph.modules else name.rpartition(".")[0] for name in names}


def resolved(dep, key, item):
    """A path of dvc.yaml for one entry of what its stage is repeated for, as DVC fills it in."""

    def value(match):
        found = item
        for name in match[1].split("."):
            found = key if name == "key" else found if name == "item" else found[name]
        return found

    return re.sub(r"\$\{([\w.]+)\}", value, dep)


def modules_of(repository, path):
    """The modules of a file, or of all files of a folder, as names; packages left out."""
    files = python_files(repository / path)
    names = [file.relative_to(repository / "src").with_suffix("").as_posix().replace("/", ".") for file in files]
    return {name for name in names if not name.endswith("__init__")}


@pytest.mark.parametrize("stage", STAGES)
def test_the_declared_modules_are_the_imported_ones(repository, params, graph, stage):
    """Those of the script, and those that it imports by a name in params.yaml (`${`), with what these import.

    A folder is needed if one of its modules is.
    """
    pipeline = "tuned/seeds/dvc.yaml" if stage == "seeds" else "dvc.yaml"
    declared = YAML(typ="safe").load((repository / pipeline).read_text())["stages"][stage]
    deps = declared.get("do", declared)["deps"]
    assert f"pipelines/{stage}.py" in deps
    sources = [dep for dep in deps if dep.startswith("src/")]
    entries = params[declared["foreach"][2:-1]] if "foreach" in declared else {"": {}}
    unneeded = set(sources)
    for key, item in entries.items():
        declared_modules = {source: modules_of(repository, resolved(source, key, item)) for source in sources}
        by_name = set().union(*(declared_modules[source] for source in sources if "${" in source))
        script = imported_by_script(graph, repository / "pipelines" / f"{stage}.py")
        needed = imported(graph, script | by_name, stage)
        assert needed <= set().union(*declared_modules.values()), key
        unneeded -= {source for source, modules in declared_modules.items() if modules & needed}
    assert not unneeded


def test_packages_outside_the_listed_folders_have_no_code(repository):
    """Python runs them, and no stage depends on them. That of all packages only disables telemetry."""
    root = repository / "src/penstock/__init__.py"
    assert [ast.unparse(node) for node in ast.parse(root.read_text()).body[1:]] == [
        "from penstock.core.telemetry import disable_telemetry",
        "disable_telemetry()",
    ]
    text = (repository / "dvc.yaml").read_text()
    for file in set((repository / "src/penstock").rglob("__init__.py")) - {root}:
        if not re.search(rf"- {file.parent.relative_to(repository).as_posix()}$", text, re.MULTILINE):
            body = ast.parse(file.read_text()).body
            assert all(isinstance(node, ast.Expr) for node in body), file


def test_the_tuned_pipelines_are_written_from_dvc_yaml(repository):
    pipeline, hint = (repository / "dvc.yaml").read_text(), "run `python scripts/tuned_pipeline.py`"
    assert (repository / "tuned/dvc.yaml").read_text() == tuned_pipeline(pipeline), hint
    assert (repository / "tuned/seeds/dvc.yaml").read_text() == seeds_pipeline(pipeline), hint
