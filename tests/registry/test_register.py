"""`penstock register`: MLflow's registry says what the files say. MLflow is real, the models are tiny."""

import shutil
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from penstock.core.errors import ConfigError, PenstockError
from penstock.registry.mlflow_registry import MlflowRegistry
from penstock.registry.promote import open_champions
from penstock.registry.register import register_if_possible
from penstock.tracking.run import track_model
from penstock.tracking.tags import PROJECT

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def client(here, empty_database):
    shutil.copy(empty_database, here.root)
    return MlflowClient(f"sqlite:///{here.root}/mlflow.db")


def champion(client, name="iris_mlp"):
    """Return the version of the alias, or None."""
    try:
        return client.get_model_version_by_alias(name, "champion")
    except MlflowException:
        return None


def train(here, shift, epochs):
    """Train and validate a model, and return its sha256."""
    with track_model(here.project, here.config, here.provenance(epochs=epochs)) as run:
        run.log_metrics({"val/loss": 0.1})
    return here.write(shift, epochs=epochs)


def promote(here, version):
    with open_champions(here.project, here.config, "iris_mlp") as champions:
        champions.promote(str(version), "the test says so")


def test_champion_stays_when_dvc_restores_an_older_file(here, client, capsys):
    """Train for 100 epochs, then 80, promote, then restore the files of the first training, as DVC's run cache does."""
    train(here, 1.0, epochs=100)
    shutil.copytree(here.root / "models", here.root / "cache")
    assert here.register()
    second = train(here, 2.0, epochs=80)
    assert here.register()
    assert champion(client).version == 1, "registration alone moves no alias"
    promote(here, 2)
    assert here.register(check=True)
    shutil.copytree(here.root / "cache", here.root / "models", dirs_exist_ok=True)
    capsys.readouterr()
    for check in (False, True):
        assert here.register(check=check) == (not check)
        assert "champion stays version 2: models/iris_mlp/model.onnx is version 1, " in capsys.readouterr().out
    assert champion(client).tags["onnx.sha256"] == second
    assert len(client.search_model_versions("name = 'iris_mlp'")) == 2


def test_a_version_belongs_to_the_run_of_its_training(here, client):
    train(here, 1.0, epochs=100)
    (run,) = client.search_runs([client.get_experiment_by_name("iris").experiment_id])
    here.register()
    version = champion(client)
    assert version.run_id == run.info.run_id
    after = client.get_run(run.info.run_id)
    assert (after.info.status, after.info.end_time) == (run.info.status, run.info.end_time)
    (logged,) = client.search_logged_models([run.info.experiment_id])
    assert logged.source_run_id == run.info.run_id


def test_nothing_changes_the_second_time_and_mlflow_is_not_imported(here, client, capsys):
    train(here, 1.0, epochs=100)
    here.register()
    before = (here.root / "mlflow.db").stat().st_mtime_ns
    capsys.readouterr()
    script = "import sys; from penstock.cli import main; main(['register']); assert 'mlflow' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], cwd=here.root, check=True, capture_output=True, text=True)
    assert done.stdout == "registry: up to date; the champion is the validated file here\n"
    (here.root / ".penstock/registry.json").unlink()
    assert here.register()
    assert "up to date" in capsys.readouterr().out
    assert (here.root / "mlflow.db").stat().st_mtime_ns == before


def test_an_alias_that_somebody_moved_is_seen_and_stays(here, client):
    train(here, 1.0, epochs=100)
    here.register()
    train(here, 2.0, epochs=80)
    here.register()
    promote(here, 2)
    assert here.register(check=True)
    client.set_registered_model_alias("iris_mlp", "champion", "1")
    assert not here.register(check=True)
    assert here.register()
    assert champion(client).version == 1


@pytest.mark.parametrize(("changes", "comparisons"), [(True, 2), (False, 1)])
def test_registry_is_compared_once_and_once_more_after_a_change(here, client, monkeypatch, changes, comparisons):
    here.write(1.0)
    here.register()
    (here.root / ".penstock/registry.json").unlink()
    if changes:
        here.write(2.0, epochs=80)
    created, create = [], MlflowRegistry.__init__

    def counted(registry, *args):
        created.append(registry)
        create(registry, *args)

    monkeypatch.setattr(MlflowRegistry, "__init__", counted)
    assert here.register()
    assert len(created) == comparisons


def test_a_change_by_somebody_else_meanwhile_is_mended_the_next_time(here, client, monkeypatch):
    here.write(1.0)
    here.register()
    here.write(3.0, "mnist_cnn")
    register = MlflowRegistry.register

    def register_slowly(registry, local):
        client.delete_registered_model_alias("iris_mlp", "champion")
        return register(registry, local)

    monkeypatch.setattr(MlflowRegistry, "register", register_slowly)
    assert here.register()
    assert champion(client) is None
    assert here.register()
    assert champion(client).version == 1


def test_an_untagged_model_is_tagged_with_the_project(here, client):
    here.write(1.0)
    here.register()
    client.delete_registered_model_tag("iris_mlp", PROJECT)
    assert here.register()
    assert PROJECT in client.get_registered_model("iris_mlp").tags


def test_files_that_were_pulled_are_registered_on_a_run_that_says_so(here, client):
    here.write(500.0)
    here.register()
    run = client.get_run(champion(client).run_id)
    assert run.info.run_name == "iris_mlp (restored)"
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"test/accuracy": 0.5}
    assert run.data.tags["penstock.key"] == here.provenance().key
    assert "trained elsewhere" in run.data.tags["mlflow.note.content"]
    assert client.get_experiment(run.info.experiment_id).name == "iris"


def test_renamed_model_is_withdrawn_and_its_versions_stay(here, client, capsys):
    here.write(1.0)
    here.register()
    here.rename_in_params("iris_mlp", "iris_network")
    shutil.copytree(here.root / "models/iris_mlp", here.root / "models/iris_network")
    capsys.readouterr()
    here.register()
    output = capsys.readouterr().out
    assert "iris_mlp                champion withdrawn from version 1: params.yaml has no such model" in output
    assert "models/iris_mlp is not served, since params.yaml has no such model" in output
    assert champion(client) is None
    assert len(client.search_model_versions("name = 'iris_mlp'")) == 1
    assert champion(client, "iris_network").version == 1


def test_int8_file_that_is_no_longer_served_is_withdrawn(here, client):
    here.write(1.0)
    here.serve_int8(2.0)
    here.register()
    assert champion(client, "iris_mlp.int8").version == 1
    here.write(1.0)
    here.register()
    assert champion(client, "iris_mlp.int8") is None
    assert champion(client).version == 1


def test_a_file_that_is_no_longer_validated_is_withdrawn(here, client, capsys):
    here.write(1.0)
    here.register()
    here.project.model("iris_mlp", "models").validation.unlink()
    here.register()
    assert "models/iris_mlp/model.onnx is no longer validated" in capsys.readouterr().out
    assert champion(client) is None


@pytest.mark.parametrize(("left", "says"), [("model.onnx", "is not validated"), (None, "is not here")])
def test_champion_stays_while_its_successor_fails_or_is_missing(here, client, capsys, left, says):
    here.write(1.0)
    here.register()
    here.write(2.0)
    home = here.root / "models/iris_mlp"
    for file in home.iterdir():
        if file.name != left:
            file.unlink()
    assert here.register()
    assert f"champion stays version 1: models/iris_mlp/model.onnx {says}" in capsys.readouterr().out
    assert champion(client).version == 1
    assert not here.register(check=True), "the difference is shown"


def test_check_creates_no_database(here, capsys):
    here.write(1.0)
    assert not here.register(check=True)
    assert "models/iris_mlp/model.onnx is not registered; there is no champion" in capsys.readouterr().out
    assert not (here.root / "mlflow.db").exists()


def test_check_shows_what_differs_and_changes_nothing(here, client, capsys):
    here.write(1.0)
    here.register()
    here.write(2.0, epochs=80)
    before = (here.root / "mlflow.db").read_bytes()
    assert not here.register(check=True)
    assert "models/iris_mlp/model.onnx is not registered; champion is version 1" in capsys.readouterr().out
    assert (here.root / "mlflow.db").read_bytes() == before


def test_only_the_named_models_are_compared(here, client):
    for name in ("iris_mlp", "mnist_cnn"):
        here.write(1.0, name)
    here.register("mnist_cnn")
    assert champion(client) is None
    assert champion(client, "mnist_cnn").version == 1
    with pytest.raises(ConfigError, match="mnist_cnn"):
        here.register("mnist_cnnn")


def test_models_of_another_project_stay_as_they_are(make_project, monkeypatch, tmp_path, capsys):
    uri = f"sqlite:///{tmp_path}/shared.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    ours, theirs = make_project("ours"), make_project("theirs")
    for one in (ours, theirs):
        one.project.params.write_text(
            one.project.params.read_text().replace("tracking:", f"tracking:\n  project: {one.root.name}", 1)
        )
    theirs.write(1.0)
    theirs.write(1.0, "mnist_cnn")
    theirs.register()
    ours.rename_in_params("mnist_cnn", "mnist_network")
    ours.write(2.0)
    ours.write(2.0, "mnist_cnn_small")
    assert not ours.register()
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: iris_mlp: not registered: this name was registered by the project theirs; ")
    client = MlflowClient(uri)
    assert champion(client).version == 1
    assert champion(client, "mnist_cnn").version == 1
    assert champion(client, "mnist_cnn_small").version == 1


def test_model_that_penstock_did_not_register_stays_as_it_is(here, client, capsys):
    here.write(1.0)
    client.create_registered_model("iris_mlp")
    client.create_model_version("iris_mlp", "file:///elsewhere")
    client.set_registered_model_alias("iris_mlp", "champion", "1")
    assert not here.register()
    assert "this name was registered by something else" in capsys.readouterr().err
    assert len(client.search_model_versions("name = 'iris_mlp'")) == 1


def test_unreachable_mlflow_is_one_line_and_the_next_time_mends_it(here, client, monkeypatch, capsys):
    here.write(1.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    with pytest.raises(PenstockError, match=rf"cannot use MLflow at {NOBODY}"):
        here.register()
    register_if_possible(here.project, here.config)
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.endswith("; `penstock register` repeats this")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert here.register()
    assert champion(client).version == 1


def test_one_model_that_cannot_be_registered_does_not_stop_the_others(here, client, capsys):
    here.write(1.0)
    here.project.model("iris_mlp", "models").examples.unlink()
    here.write(2.0, "mnist_cnn")
    assert not here.register()
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: iris_mlp: not registered: ")
    assert champion(client, "mnist_cnn").version == 1


def test_project_without_models_needs_no_mlflow(here, capsys):
    assert here.register()
    assert "no validated model here" in capsys.readouterr().out
    assert not (here.root / "mlflow.db").exists()
