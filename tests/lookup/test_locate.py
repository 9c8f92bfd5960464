"""Texts that name a model file: what they mean, and what is said of unknown and ambiguous ones."""

import json
import shutil

import numpy as np
import pytest
from dvc.repo import Repo

from penstock.cli import main
from penstock.config.loading import load_config
from penstock.core.errors import ComparisonError
from penstock.core.paths import Project
from penstock.io.files import dvc_directory_hash, sha256
from penstock.lookup.locate import open_locator
from tests.helpers.compared_models import GOOD, POOR
from tests.lookup.conftest import commit, create_repository, git

FILE = "models/iris_mlp/model.onnx"


@pytest.fixture
def files(here):
    """sha256 of the good and of the poor classifier."""
    here.write(GOOD, "good.onnx")
    return {"good": sha256(here.root / "good.onnx"), "poor": sha256(here.root / FILE)}


@pytest.mark.parametrize(
    ("text", "which", "source"),
    [
        ("good.onnx", "good", "good.onnx"),
        ("iris_mlp", "poor", FILE),
        ("iris_mlp@first", "good", f"{FILE} at "),
        ("iris_mlp@HEAD", "poor", f"{FILE} at "),
        ("iris_mlp@HEAD~1", "good", f"{FILE} at "),
        ("iris_mlp@bold", "good", f"{FILE} at "),
    ],
)
def test_a_text_names_a_file(locate, files, text, which, source):
    ((found, digest, _record),) = locate(text)
    assert digest == files[which]
    assert found.startswith(source)


def test_an_abbreviated_commit_is_shown_as_git_shows_it(here, locate, files):
    short = git(here.root, "rev-parse", "--short=7", "first").strip()
    ((found, digest, _record),) = locate(f"iris_mlp@{short}")
    assert (found, digest) == (f"{FILE} at {short}", files["good"])


def test_a_revision_alone_is_that_of_the_other_model(locate, files):
    assert [digest for _, digest, _ in locate("first", "iris_mlp")] == [files["good"], files["poor"]]
    assert [digest for _, digest, _ in locate("iris_mlp@first", "HEAD")] == [files["good"], files["poor"]]


def test_a_branch_may_have_an_at_in_its_name(here, locate, files):
    git(here.root, "branch", "wip@home", "first")
    assert [digest for _, digest, _ in locate("wip@home", "iris_mlp@wip@home")] == [files["good"], files["good"]]


def test_revisions_alone_mean_the_model_that_differs(locate, files):
    assert [digest for _, digest, _ in locate("first", "main")] == [files["good"], files["poor"]]


def test_revisions_with_several_differing_models_are_ambiguous(here, locate):
    (here.root / "models/mnist_cnn/model.onnx").unlink()
    here.write(POOR, "models/mnist_cnn/model.onnx")
    commit(here.root, "third")
    with pytest.raises(
        ComparisonError, match=r"^first: which model\? Write NAME@first; it can be iris_mlp, mnist_cnn$"
    ):
        locate("first", "main")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("iris_mpl", r"^iris_mpl: no model, ONNX file, MLflow run, git revision .*; did you mean 'iris_mlp'\?$"),
        ("nothing-like-it", r"^nothing-like-it: no model, ONNX file, MLflow run, git revision or DVC experiment$"),
        ("gone.onnx", r"^gone.onnx: no such file$"),
        ("iris_mlp@gone", r"^iris_mlp@gone: git and DVC have no revision or experiment gone$"),
        ("iris_mlp@{1}x", r"^iris_mlp@\{1\}x: no model"),
        ("imdb_rnn@first", r"^imdb_rnn@first: no model imdb_rnn in dvc.lock of "),
        ("imdb_rnn", r"^imdb_rnn: models/imdb_rnn/model.onnx is not here; `dvc pull "),
        ("main", r"^main: which model\? Write NAME@main; the revisions have the same models$"),
        ("models:/iris_mlp@champion", r"^models:/iris_mlp@champion: there is no MLflow database yet"),
        ("0" * 32, r"^0{32}: no model"),
    ],
)
def test_what_cannot_be_found_is_one_clear_line(locate, text, message):
    with pytest.raises(ComparisonError, match=message):
        locate(text)


def test_experiments_of_one_name_are_ambiguous(here, locate):
    git(here.root, "update-ref", "refs/exps/cd/ef01/bold", "main")
    with pytest.raises(ComparisonError, match=r"^bold: several git revisions or DVC experiments have this name$"):
        locate("iris_mlp", "bold")


def test_a_file_that_no_cache_has_is_named(here, locate):
    lock = here.root / ".dvc/cache"
    for path in lock.rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(ComparisonError, match=r"^iris_mlp@first: models/iris_mlp/model.onnx of .* is neither in DVC's"):
        locate("iris_mlp@first")


def test_a_file_that_only_a_remote_has_is_read_from_there(here, locate, files):
    remote = here.root.parent / "remote"
    with Repo(str(here.root)) as repo, repo.config.edit("local") as local:
        local["core"] = {"remote": "storage"}
        local["remote"] = {"storage": {"url": str(remote)}}
    shutil.move(here.root / ".dvc/cache", remote)  # with the layout of a remote
    ((_, digest, _),) = locate("iris_mlp@first")
    assert digest == files["good"]


def test_the_project_may_be_in_a_folder_of_the_git_repository(here, monkeypatch, files):
    """DVC calls this a subdirectory of a monorepo."""
    ((_, digest, _),) = _in_subfolder(here, monkeypatch)
    assert digest == files["good"]


def _in_subfolder(here, monkeypatch):
    outer = here.root.parent / "outer"
    inner = outer / "inner"
    shutil.copytree(here.root, inner, ignore=shutil.ignore_patterns(".git", ".dvc"))
    create_repository(outer, inner)
    (inner / FILE).write_bytes((inner / "good.onnx").read_bytes())
    commit(inner, "first")
    monkeypatch.chdir(inner)
    project = Project(inner)
    with open_locator(project, load_config(project.params)) as locator:
        return [(one.source, one.sha256, record) for one, record in locator.locate(["iris_mlp@main"])]


def test_a_project_without_git_has_its_files_alone(here, locate, files):
    shutil.rmtree(here.root / ".git")
    assert [digest for _, digest, _ in locate("iris_mlp", "good.onnx")] == [files["poor"], files["good"]]


def test_settings_and_reports_are_those_of_the_revision(here, locate):
    params = here.root / "params.yaml"
    text = params.read_text()
    assert text.count("    epochs: 100\n") == 1
    params.write_text(text.replace("      epochs: 100\n", "      epochs: 60\n"))
    (_, _, old), (_, _, now) = locate("iris_mlp@first", "iris_mlp")
    assert old.parameters["training.epochs"] == "100"
    assert old.metrics["parity/max_abs_diff"] == 0.25
    assert old.metrics["behaviour/noise"] == 0.75
    assert now.parameters is None, "the file was not trained with these settings"


def test_the_workspace_stays_as_it_is(here, capsys):
    before = git(here.root, "status", "--porcelain", "--ignored")
    contents = {path: path.read_bytes() for path in here.root.glob("models/*/*")}
    with pytest.raises(SystemExit) as exit_:
        main(["compare", "iris_mlp@first", "iris_mlp", "--json"])
    assert exit_.value.code == 1
    document = json.loads(capsys.readouterr().out)
    assert document["comparisons"][0]["verdict"] == "worse"
    assert document["differing_parameters"] == {}
    assert git(here.root, "status", "--porcelain", "--ignored") == before
    assert {path: path.read_bytes() for path in here.root.glob("models/*/*")} == contents


def processed_of_another_revision(here, rows):
    """Put a processed dataset with another vocabulary into DVC's cache, and return its hash."""
    present = here.project.processed("iris")
    kept = here.root / "kept"
    present.rename(kept)
    here.write_test_rows(rows)
    (present / "vocabulary.txt").write_text("other\nwords\n")
    digest = dvc_directory_hash(present)
    present.rename(here.root / "other")
    kept.rename(present)
    with Repo(str(here.root)) as repo:
        repo.add("other")
    shutil.rmtree(here.root / "other")
    return digest


def run_compare(*texts):
    with pytest.raises(SystemExit) as exit_:
        main(["compare", *texts, "--json"])
    return exit_.value.code


def test_other_processed_data_with_the_same_test_rows_are_compared(here, capsys):
    here.write(GOOD, "other.onnx", data=processed_of_another_revision(here, np.arange(0, 150, 4)))
    assert run_compare("other.onnx", "iris_mlp") == 1
    here.write(GOOD, "again.onnx", data=json.loads(capsys.readouterr().out)["models"][0]["data"])
    assert run_compare("other.onnx", "again.onnx") == 0


def test_other_test_rows_are_refused(here, capsys):
    here.write(GOOD, "other.onnx", data=processed_of_another_revision(here, np.arange(1, 150, 4)))
    assert run_compare("iris_mlp", "other.onnx") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: other.onnx: its test rows of iris are not those of iris_mlp (processed data ")
