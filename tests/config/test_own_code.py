"""pipelines/code.yaml: DVC runs the stages of a model again whose own code was edited, and no others."""

import shutil
import subprocess
from contextlib import chdir
from copy import deepcopy

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from penstock.config.loading import load_config
from penstock.config.model_keys import changed_entry, model_keys
from penstock.config.own_code import code_of, require_current_own_code, write_own_code
from penstock.config.resolved import resolved_settings
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.provenance import training_provenance, training_sources
from penstock.new.project import init_project
from penstock.tracking.environment import git_commit

NETWORK = {"kind": "module", "path": "mine.py:build", "hidden": 32, "rates": [0.1, 0.2]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, repository):
    """A project of one's own with iris_mlp and iris_own, whose network is in mine.py."""
    root = tmp_path_factory.mktemp("own")
    init_project(root)
    settings = YAML(typ="safe").load((repository / "params.yaml").read_text())
    document = YAML(typ="safe").load((root / "params.yaml").read_text())
    document["datasets"]["iris"] = settings["datasets"]["iris"]
    document["baselines"]["iris_linear"] = settings["baselines"]["iris_linear"]
    mlp = settings["models"]["iris_mlp"]
    document["models"] = {"iris_mlp": mlp, "iris_own": {**deepcopy(mlp), "network": NETWORK}}
    YAML(typ="safe").dump(document, root / "params.yaml")
    (root / "mine.py").write_text("# a network\n")
    project = Project(root)
    write_own_code(project, load_config(project.params))
    project.processed("iris").mkdir(parents=True)
    return project


@pytest.fixture
def project(whole, tmp_path):
    shutil.copytree(whole.root, tmp_path / "copy")
    return Project(tmp_path / "copy")


def edited(project, **network):
    document = YAML(typ="safe").load(project.params.read_text())
    document["models"]["iris_own"]["network"] = network
    YAML(typ="safe").dump(document, project.params)
    return load_config(project.params)


def test_exactly_the_stages_of_the_model_depend_on_the_file(project):
    with chdir(project.root), Repo() as repo:
        with_file = [stage.addressing for stage in repo.index.stages if "mine.py" in map(str, stage.deps)]
    assert with_file == ["train@iris_own", "export@iris_own", "validate@iris_own"]


def test_the_file_is_part_of_the_provenance_of_its_model_alone(project):
    config = load_config(project.params)

    def keys():
        return [training_provenance(project, config, name).key for name in ("iris_mlp", "iris_own")]

    before = keys()
    (project.root / "mine.py").write_text("# another network\n")
    after = keys()
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)
    (project.root / "mine.py").write_text("# a network\n")
    assert keys() == before
    assert "mine.py" in training_sources(project, config, "iris_own")


def test_a_file_in_a_folder_stands_for_the_folder(project):
    config = edited(project, **NETWORK | {"path": "networks/iris.py:build"})
    (project.root / "networks").mkdir()
    for name in ("iris.py", "layers.py"):
        (project.root / "networks" / name).touch()
    assert code_of(config.model("iris_own")) == "networks"
    assert {"networks/iris.py", "networks/layers.py"} <= training_sources(project, config, "iris_own").keys()


def test_another_path_is_refused_until_the_file_is_written(project):
    config = edited(project, **NETWORK | {"path": "other.py:build"})
    for name in ("iris_own", None):
        with pytest.raises(ConfigError, match=r"pipelines/code\.yaml: iris_own: .*run `penstock config --write`"):
            require_current_own_code(project, config, name)
    require_current_own_code(project, config, "iris_mlp")
    write_own_code(project, config)
    require_current_own_code(project, config)


def test_an_entry_of_a_model_that_is_gone_is_named(project):
    project.own_code.write_text(project.own_code.read_text().replace("iris_mlp:", "iris_old:"))
    with pytest.raises(ConfigError, match="iris_mlp: not as in"):
        require_current_own_code(project, load_config(project.params))


def test_its_settings_are_listed_searched_and_changed_like_all_others(project):
    config = load_config(project.params)
    model = config.model("iris_own")
    listed = {setting.key: setting for setting in resolved_settings(project.params, config, "iris_own")}
    assert listed["models.iris_own.network.hidden"].value == 32
    assert listed["models.iris_own.network.hidden"].source.startswith("params.yaml:")
    assert model_keys(model)["network.hidden"] is int
    assert changed_entry(model, {"network.hidden": 64})["network"] == NETWORK | {"hidden": 64}


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        ({"path": "mine.py"}, "network.path: string should match pattern"),
        ({"path": "../mine.py:build"}, "network.path: must be below the folder of params.yaml"),
        (
            {"path": "models/mine.py:build"},
            "network.path: models/ is a folder that Penstock writes into; .* networks/mine",
        ),
        ({"path": "mine.py:build", "two words": 1}, "network.two words: is passed as a keyword argument"),
        ({}, "network.path: missing key"),
    ],
)
def test_a_wrong_entry_is_named_by_line_and_key(project, network, problem):
    with pytest.raises(ConfigError, match=problem):
        edited(project, kind="module", **network)


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ({"kind": "module", "path": "mine.py:Net"}, "of one's own is network: {kind: module, path: ...}"),
        ("reconstruction", "module is for classification, regression and multilabel"),
    ],
)
def test_other_tasks_say_in_one_line_where_own_code_goes(project, task, problem):
    document = YAML(typ="safe").load(project.params.read_text())
    document["models"]["iris_own"]["task"] = task
    YAML(typ="safe").dump(document, project.params)
    with pytest.raises(ConfigError) as raised:
        load_config(project.params)
    assert [line for line in str(raised.value).splitlines() if problem in line]


def test_edited_own_code_is_a_change_that_is_not_committed(tmp_path):
    init_project(tmp_path)
    project = Project(tmp_path)
    project.own_code.write_text("models:\n  mine: {code_by_penstock_config_write: mine.py}\n")
    (tmp_path / "mine.py").write_text("# a network\n")
    for command in (["add", "--all"], ["-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "-m", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert not git_commit(project).endswith("+changes")
    (tmp_path / "mine.py").write_text("# another network\n")
    assert git_commit(project).endswith("+changes")
