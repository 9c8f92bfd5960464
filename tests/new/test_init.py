"""`penstock init`: a folder of one's own is a project, whose stages depend on the installed code by its hashes."""

import json
import os
import shutil
import subprocess
import sys
import venv
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from penstock.config.loading import load_config
from penstock.config.own_code import write_own_code
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.code_record import installed_code, package_folder, recorded_sources, require_recorded_code
from penstock.io.files import read_json, sha256, write_json
from penstock.io.provenance import training_sources
from penstock.new.pipeline import project_pipeline
from penstock.new.project import init_project, update_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("own")
    init_project(root)
    return Project(root)


@pytest.fixture
def iris(project, repository):
    """The project with the settings of Iris, which is enough to resolve its stages."""
    params = project.params.read_text()
    settings = YAML(typ="safe").load((repository / "params.yaml").read_text())
    entries = {
        "datasets": {"iris": settings["datasets"]["iris"]},
        "baselines": {"iris_linear": settings["baselines"]["iris_linear"]},
        "models": {"iris_mlp": settings["models"]["iris_mlp"]},
    }
    for block, entry in entries.items():
        params = params.replace(f"{block}: {{}}", f"{block}: {json.dumps(entry)}")
    before = project.params.read_text()
    project.params.write_text(params)
    write_own_code(project, load_config(project.params))
    yield project
    project.params.write_text(before)
    write_own_code(project, load_config(project.params))


def test_the_new_project_has_no_models_and_no_mistakes(project):
    config = load_config(project.params)
    assert (config.datasets, config.baselines, config.models) == ({}, {}, {})


def test_dvc_reads_the_pipeline_without_any_entry(project):
    with chdir(project.root), Repo() as repo:
        assert [stage.addressing for stage in repo.index.stages] == ["report"]


def test_no_stage_depends_on_a_source_folder(project):
    assert "src/penstock" not in project.pipeline.read_text()


def test_every_recorded_key_of_the_pipeline_exists(iris):
    with chdir(iris.root), Repo() as repo:
        params = [dep for stage in repo.index.stages for dep in stage.deps if hasattr(dep, "params")]
        assert {str(dep) for dep in params} >= {"pipelines/penstock.json", "pipelines/defaults.json", "params.yaml"}
        for dep in params:
            assert dep.params == list(dep.read_params()), dep


def test_the_code_of_a_training_is_that_of_a_clone(iris, repository):
    """So a model has the same key, and the same hash of its code, in both."""
    config = load_config(iris.params)
    here = training_sources(iris, config, "iris_mlp")
    clone = training_sources(Project(repository), load_config(repository / "params.yaml"), "iris_mlp")
    assert here == clone


def test_a_folder_stands_for_its_files_and_a_file_for_itself():
    record = {"files": {"penstock/io/files": "1", "penstock/io/weights": "2", "penstock/iox": "3"}}
    assert recorded_sources(record, "folders.penstock/io") == {
        "src/penstock/io/files.py": "1",
        "src/penstock/io/weights.py": "2",
    }
    assert recorded_sources(record, "files.penstock/iox") == {"src/penstock/iox.py": "3"}


def test_the_record_has_every_python_file_of_the_package():
    files = installed_code()["files"]
    assert files["penstock/io/weights"] == sha256(package_folder() / "io/weights.py")
    assert not [name for name in files if "__pycache__" in name]


def test_other_code_than_the_recorded_one_is_refused_until_the_update(project):
    require_recorded_code(project)
    record = read_json(project.code_record)
    write_json(project.code_record, {**record, "version": "0.0.1", "folders": {}})
    with pytest.raises(ConfigError, match=r"is of penstock 0\.0\.1.*penstock init --update"):
        require_recorded_code(project)
    assert "before: penstock 0.0.1" in update_project(project.root)[-1]
    require_recorded_code(project)


def test_an_update_does_not_overwrite_what_was_edited(project):
    text = project.pipeline.read_text()
    project.pipeline.write_text(text + "# mine\n")
    with pytest.raises(ConfigError, match=r"dvc\.yaml: was edited"):
        update_project(project.root)
    assert project.pipeline.read_text().endswith("# mine\n")
    project.pipeline.write_text(text)


def test_an_update_with_wrong_settings_writes_nothing(project, monkeypatch):
    text, before = project.params.read_text(), project.pipeline.read_bytes()
    monkeypatch.setattr("penstock.new.project.project_pipeline", lambda pipeline: f"{pipeline}# of the next version\n")
    project.params.write_text(f"{text}unknown: 1\n")
    with pytest.raises(ConfigError, match="unknown"):
        update_project(project.root)
    assert project.pipeline.read_bytes() == before
    project.params.write_text(text)


def test_a_second_init_writes_nothing(project):
    with pytest.raises(ConfigError, match=r"params\.yaml: is there already"):
        init_project(project.root)


def test_a_clone_has_nothing_to_update(linked_project):
    with pytest.raises(ConfigError, match="is a clone of Penstock"):
        update_project(linked_project)


def test_a_stage_without_params_gets_some():
    deps = "      deps:\n        - a\n        - src/penstock/io\n"
    text = f"# head\nstages:\n  export:\n    do:\n{deps}      outs:\n        - b\n"
    stage = YAML(typ="safe").load(project_pipeline(text))["stages"]["export"]["do"]
    assert stage == {"deps": ["a"], "params": [{"pipelines/penstock.json": ["folders.penstock/io"]}], "outs": ["b"]}


@pytest.fixture(scope="module")
def installed(repository, tmp_path_factory):
    """The Python of an environment with a real wheel of this repository; other packages are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip"]
    source = folder / "source"  # setuptools writes into the folder that it builds
    for name in ("src", "pipelines", ".dvc/plots"):
        shutil.copytree(repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "dvc.yaml", ".dvcignore"):
        shutil.copy(repository / name, source)
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder / "wheels", source], check=True)
    venv.create(folder / "venv", with_pip=False)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (wheel,) = (folder / "wheels").glob("*.whl")
    install = ["install", "--quiet", "--no-deps", "--target", site, wheel]
    subprocess.run([*pip, *install], check=True)
    others = [path for path in sys.path if path.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join(others))
    return folder / "venv" / "bin" / "python"


@pytest.mark.slow
def test_from_a_wheel_to_a_validated_model(installed, tmp_path):
    from sklearn.datasets import load_wine

    frame = load_wine(as_frame=True).frame
    table = tmp_path / "wine.csv"
    names = [name.replace("/", "_") for name in frame.columns]
    rows = [",".join(map(str, [*row[:-1], f"class_{int(row[-1])}"])) for row in frame.to_numpy()]
    table.write_text("\n".join([",".join(names), *rows]) + "\n")
    root = tmp_path / "project"
    root.mkdir()
    environment = {**os.environ, "PATH": f"{installed.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}

    def run(*command):
        done = subprocess.run(
            [installed, *command], cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    penstock = ("-m", "penstock.cli")
    run(*penstock, "init")
    run(*penstock, "new", "dataset", "wine", "--from", str(table), "--target", "target")
    run("-m", "dvc", "repro")
    assert "up to date" in run("-m", "dvc", "status")
    assert "passed" in run(*penstock, "results")
    assert (root / "models/wine_tabular/validation.json").is_file()
    assert "0 broken" in run(*penstock, "lineage", "models/wine_tabular/model.onnx")

    (graph,) = Path(installed).parents[1].glob("lib/python*/site-packages/penstock/export/graph.py")
    graph.write_text(graph.read_text() + "# upgraded\n")
    run(*penstock, "init", "--update")
    stale = run("-m", "dvc", "status")
    assert "export@wine_tabular:" in stale
    assert "train@wine_tabular:" not in stale
