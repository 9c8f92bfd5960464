"""dvc.yaml names, for every stage, the modules that its script really imports, and no others."""

import ast

import grimp
import pytest
from ruamel.yaml import YAML

from pipelines.tuned import tuned_pipeline

# They cannot change an output (dvc.yaml says why); a stage need not run again for them.
HARMLESS = {"penstock", "penstock.console", "penstock.errors", "penstock.project", "penstock.stage"}
TALKING = ("penstock.tracking", "penstock.reporting")
# Imported by the name that params.yaml gives.
BY_NAME = ("penstock/baselines/${", "data/datasets/${", "data/inputs/${", "networks/${", "training/${", "validation/${")
# What these import that nothing else of the stage does: layers by networks, and others by one task of three.
SHARED_BY_KINDS = {
    "networks/${": {"penstock.networks.layers"},
    "training/${": {"penstock.training.augmentation", "penstock.training.optimizers", "penstock.training.task"},
    "validation/${": set(),
    "penstock/baselines/${": {
        "penstock.baselines",
        "penstock.data.datasets",
        "penstock.data.inputs",
        "penstock.data.inputs.text",
    },
}


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("penstock")


def imported(graph, script, leave_out):
    """Modules of ours that a script imports, directly or not, with the packages around them."""
    tree = ast.parse(script.read_text())
    names = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("penstock")
        for alias in node.names
    ]
    todo = [name if name in graph.modules else name.rpartition(".")[0] for name in names]
    seen = set()
    while todo:
        module = todo.pop()
        if module in seen or leave_out(module):
            continue
        seen.add(module)
        todo += graph.find_modules_directly_imported_by(module)
        todo += [module.rpartition(".")[0]] if "." in module else []
    return seen


@pytest.mark.parametrize(
    "stage", ["download", "preprocess", "baseline", "train", "export", "validate", "judge", "report"]
)
def test_the_declared_modules_are_the_imported_ones(repository, graph, stage):
    declared = YAML(typ="safe").load((repository / "dvc.yaml").read_text())["stages"][stage]
    deps = declared.get("do", declared)["deps"]
    assert f"pipelines/{stage}.py" in deps
    named = {dep for dep in deps if dep.startswith("src/") and dep.endswith(".py")}
    modules = {module_of(dep) for dep in named if not any(marker in dep for marker in BY_NAME)}

    def leave_out(module):
        settings = module.startswith("penstock.config")
        talks = module.startswith(TALKING) and (stage != "report" or "tracking" in module)
        return module in HARMLESS or settings or talks

    needed = imported(graph, repository / "pipelines" / f"{stage}.py", leave_out)
    for marker, shared in SHARED_BY_KINDS.items():
        needed |= shared if any(marker in dep for dep in deps) else set()
    assert modules == needed


def test_the_tuned_pipeline_is_that_of_the_models_with_other_names(repository):
    written = (repository / "tuned/dvc.yaml").read_text()
    assert written == tuned_pipeline((repository / "dvc.yaml").read_text()), "run `python pipelines/tuned.py`"


def module_of(path):
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_every_path_below_src_exists(repository):
    stages = YAML(typ="safe").load((repository / "dvc.yaml").read_text())["stages"]
    deps = [dep for stage in stages.values() for dep in stage.get("do", stage)["deps"]]
    missing = [dep for dep in deps if dep.startswith("src/") and "${" not in dep and not (repository / dep).is_file()]
    assert not missing
