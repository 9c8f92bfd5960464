"""dvc.yaml names, for every stage, the modules that its script really imports, and no others."""

import ast
import re

import grimp
import pytest
from ruamel.yaml import YAML

from pipelines.tuned import tuned_pipeline

# They cannot change an output (dvc.yaml says why); a stage need not run again for them.
HARMLESS = {
    "penstock",
    "penstock.core.console",
    "penstock.core.cpu",
    "penstock.core.errors",
    "penstock.core.signals",
    "penstock.orchestration.resources",
    "penstock.core.paths",
    "penstock.core.distributed",
    "penstock.orchestration.stage_runner",
}
TALKING = ("penstock.tracking", "penstock.reporting")
STAGES = ["download", "preprocess", "baseline", "train", "export", "validate", "judge", "report"]


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("penstock")


@pytest.fixture(scope="module")
def params(repository):
    return YAML(typ="safe").load((repository / "params.yaml").read_text())


def imported(graph, modules, leave_out):
    """Modules of ours that these are or import, directly or not, with the packages around them."""
    todo, seen = list(modules), set()
    while todo:
        module = todo.pop()
        if module in seen or leave_out(module):
            continue
        seen.add(module)
        todo += graph.find_modules_directly_imported_by(module)
        todo += [module.rpartition(".")[0]] if "." in module else []
    return seen


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


@pytest.mark.parametrize(
    ("pipeline", "stage"), [*(("dvc.yaml", stage) for stage in STAGES), ("tuned/seeds/dvc.yaml", "seeds")]
)
def test_the_declared_modules_are_the_imported_ones(repository, params, graph, pipeline, stage):
    """Those of the script, and those that it imports by a name in params.yaml (`${`), with what these import."""
    declared = YAML(typ="safe").load((repository / pipeline).read_text())["stages"][stage]
    deps = declared.get("do", declared)["deps"]
    assert f"pipelines/{stage}.py" in deps
    sources = [dep for dep in deps if dep.startswith("src/") and dep.endswith(".py")]
    entries = params[declared["foreach"][2:-1]] if "foreach" in declared else {"": {}}

    def leave_out(module):
        settings = module.startswith("penstock.config")
        talks = module.startswith(TALKING) and (stage != "report" or "tracking" in module)
        return module in HARMLESS or settings or talks

    named, needed = set(), set()
    for key, item in entries.items():
        modules = {module_of(resolved(source, key, item)) for source in sources}
        by_name = {module_of(resolved(source, key, item)) for source in sources if "${" in source}
        own = imported(graph, imported_by_script(graph, repository / "pipelines" / f"{stage}.py") | by_name, leave_out)
        assert own <= modules, key
        named |= modules
        needed |= own
    assert named == needed


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
