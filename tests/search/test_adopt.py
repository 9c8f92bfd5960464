"""The winner of a study is written into params.yaml, where nothing else changes."""

import json
import re

import optuna
import pytest
from optuna.trial import TrialState

from penstock import cli
from penstock.config.edits import edited
from penstock.config.loading import load_config
from penstock.io.provenance import training_provenance
from penstock.search.space import apply
from penstock.search.studies import PLAN, WINNER

RATE, HIDDEN, KIND = "training.optimizer.learning_rate", "network.hidden_sizes", "training.optimizer.kind"
PRESENT = {"training.batch_size": 16}
WINNING = {RATE: 0.03, HIDDEN: [16, 8], "network.activation": "relu"}  # relu is the default


@pytest.fixture
def finished(searched):
    """Return a function that stores a study of finished trials, each given as its settings and its accuracy."""

    def store(*trials, name="s", seeds=(), model="iris_mlp"):
        config = load_config(searched.project.params)
        made = optuna.create_study(storage=searched.storage, study_name=name, direction="maximize")
        made.set_user_attr(PLAN, {"model": model, "objective": "val/accuracy"})
        for values, score in trials:
            key = training_provenance(searched.project, apply(config, "iris_mlp", values), "iris_mlp").key
            made.add_trial(optuna.create_trial(value=score, user_attrs={"values": values, "key": key}))
        if seeds:
            made.set_user_attr(WINNER, {"number": made.best_trial.number, "seeds": list(seeds)})

    (searched.root / ".penstock").mkdir()
    return store


@pytest.fixture
def params(searched):
    return searched.project.params


@pytest.fixture
def adopt(searched, monkeypatch, capsys):
    """Return a function that runs `penstock adopt` and returns its exit code and its output."""
    monkeypatch.chdir(searched.root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", searched.uri)

    def run(*arguments):
        code: object = 0
        try:
            cli.main(["adopt", *arguments])
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_the_best_settings_are_written_and_shown(finished, adopt, params):
    finished((PRESENT, 0.8), (WINNING, 0.9), ({RATE: 0.1}, 0.7))
    before, config = params.read_text(), load_config(params)
    code, output = adopt("s")
    assert code == 0, output
    assert load_config(params) == apply(config, "iris_mlp", WINNING)
    lines = [line for line in output.splitlines() if re.match(r"[+-](?![+-])", line)]
    assert [line[0] for line in lines] == ["-", "+", "-", "+"]
    assert "-    network: {kind: mlp, hidden_sizes: [10]}" in lines
    assert "+    network: {kind: mlp, hidden_sizes: [16, 8]}" in lines
    assert params.read_text() == before.replace("hidden_sizes: [10]}", "hidden_sizes: [16, 8]}").replace(
        "optimizer: {kind: adam, learning_rate: 0.01}", "optimizer: {kind: adam, learning_rate: 0.03}", 1
    )
    assert "validation accuracy 0.9000; present settings 0.8000" in output
    assert "unchanged: 18 other models, 3 datasets and all other settings" in output
    assert "to run: train@iris_mlp, export@iris_mlp, validate@iris_mlp, register@iris_mlp" in output
    assert "of other models: none" in output


def test_a_new_model_is_added_after_the_old_one(finished, adopt, params):
    finished((PRESENT, 0.8), ({KIND: "sgd"}, 0.9))
    before, config = params.read_text(), load_config(params)
    code, output = adopt("s", "--as", "iris_sgd")
    assert code == 0, output
    changed = load_config(params)
    assert changed.model("iris_mlp") == config.model("iris_mlp")
    assert changed.model("iris_sgd") == apply(config, "iris_mlp", {KIND: "sgd"}).model("iris_mlp")
    assert [*changed.models][:2] == ["iris_mlp", "iris_sgd"]
    assert "unchanged: 19 other models" in output
    assert "to run: train@iris_sgd" in output
    assert set(before.splitlines()) <= set(params.read_text().splitlines())


@pytest.mark.parametrize(
    ("trials", "arguments", "says"),
    [
        ([], ["s"], "s: no trial has finished; run `penstock sweep` again"),
        ([(PRESENT, 0.9), (WINNING, 0.9)], ["s"], "is no better than the present settings: validation accuracy 0.9000"),
        ([(WINNING, 0.9)], ["s"], "no validation score to compare with; run `dvc repro train@iris_mlp`"),
        ([(WINNING, 0.9)], ["t"], "unknown study 't'"),
        ([(WINNING, 0.9)], ["s", "--as", "Iris"], "--as Iris: use lower-case letters"),
        ([(WINNING, 0.9)], ["s", "--as", "mnist_cnn"], "there is another 'mnist_cnn' already"),
    ],
)
def test_nothing_is_written_without_an_improvement(finished, adopt, params, trials, arguments, says):
    finished(*trials)
    before = params.read_bytes()
    code, output = adopt(*arguments)
    assert code == 2
    assert says in output
    assert params.read_bytes() == before


def test_a_file_that_cannot_be_edited_names_what_to_set_by_hand(finished, adopt, params):
    text = params.read_text()
    models = load_config(params).model_dump(mode="json", exclude_unset=True)["models"]
    block = text[text.index("\nmodels:") : text.index("\ntuned:")]
    params.write_text(text.replace(block, f"\nmodels: {json.dumps(models)}\n"))
    finished((PRESENT, 0.8), (WINNING, 0.9))
    before = params.read_bytes()
    code, output = adopt("s", "--as", "iris_two")
    assert code == 2
    assert "params.yaml: cannot be edited line by line; set by hand: learning_rate 0.03" in output
    assert params.read_bytes() == before


def test_a_study_without_a_score_says_why(finished, adopt, searched):
    finished()
    study = optuna.load_study(study_name="s", storage=searched.storage)
    study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={"reason": "the loss is nan"}))
    study.add_trial(optuna.create_trial(state=TrialState.PRUNED))
    code, output = adopt("s")
    assert (code, output) == (
        2,
        "error: s: none of 2 trials has a score (1: the loss is nan; 1: pruned); change the space, the pruner or the "
        "settings\n",
    )


def test_the_mean_over_further_seeds_decides(finished, adopt, params):
    finished((PRESENT, 0.8), (WINNING, 0.95), seeds=(0.7, 0.8))
    code, output = adopt("s")
    assert code == 2
    assert "validation accuracy 0.9500, 0.7500 over 2 more seeds, present 0.8000" in output
    assert adopt("s", "--force")[0] == 0
    assert load_config(params).model("iris_mlp").training.model_dump()["optimizer"]["learning_rate"] == 0.03


def test_a_study_of_other_settings_is_outdated(finished, adopt, searched):
    finished((PRESENT, 0.8), (WINNING, 0.9))
    searched.edit(l2=0.5)
    code, output = adopt("s")
    assert code == 2
    assert "iris_mlp: other settings, data or code than those of the study" in output


def test_a_model_that_is_gone_is_named(finished, adopt):
    finished((WINNING, 0.9), model="iris_old")
    assert adopt("s") == (2, "error: s: its model 'iris_old' is no longer in params.yaml\n")


def test_a_file_that_changes_meanwhile_is_left_alone(finished, adopt, params, monkeypatch):
    finished((PRESENT, 0.8), (WINNING, 0.9))

    def edit_in_parallel(*arguments):
        params.write_text(params.read_text() + "# by another program\n")
        return edited(*arguments)

    monkeypatch.setattr("penstock.search.adopt.edited", edit_in_parallel)
    code, output = adopt("s")
    assert code == 2
    assert "params.yaml: has changed meanwhile and was not written" in output
    assert params.read_text().endswith("# by another program\n")
    assert [path.name for path in params.parent.glob("*params*")] == ["params.yaml"]


def test_line_ends_and_a_symbolic_link_stay(finished, adopt, params, tmp_path):
    finished((PRESENT, 0.8), (WINNING, 0.9))
    real = params.rename(tmp_path / "real.yaml")
    real.write_bytes(real.read_bytes().replace(b"\n", b"\r\n"))
    params.symlink_to(real)
    code, output = adopt("s")
    assert code == 0, output
    assert params.is_symlink()
    assert b"hidden_sizes: [16, 8]}" in real.read_bytes()
    assert b"\n" not in real.read_bytes().replace(b"\r\n", b"")


def test_settings_that_are_there_already_change_nothing(finished, adopt, params):
    finished((PRESENT, 0.8))
    before = params.read_bytes()
    code, output = adopt("s", "--force")
    assert (code, params.read_bytes()) == (0, before)
    assert "iris_mlp has these settings already: batch_size 16" in output


def test_a_space_that_no_longer_fits_is_named(finished, adopt, params):
    params.write_text(f"{params.read_text()}  iris_two:\n    space: {{training.l2: [0, 1]}}\n")
    params.write_text(params.read_text().replace("iris_two", "imdb_rnn").replace("training.l2", "training.l3"))
    finished((PRESENT, 0.8), (WINNING, 0.9))
    code, output = adopt("s")
    assert code == 0
    assert "the search space needs a change, too" in output


def test_every_command_of_the_guide_runs(finished, adopt, params, repository):
    section = (repository / "docs/experiments.md").read_text().split("\n## Adopt\n")[1].split("\n## ")[0]
    commands = re.findall(r"^penstock adopt ([^#\n]*)", section, re.MULTILINE)
    before = params.read_text()
    finished((PRESENT, 0.8), (WINNING, 0.9), name="better")
    for command in commands:
        params.write_text(before)
        code, output = adopt(*command.split())
        assert code == 0, output
        assert "of other models: none" in output
    assert len(commands) == 3


@pytest.mark.slow
def test_the_winner_of_a_sweep_is_adopted_and_the_next_sweep_knows_it(searched, adopt, params):
    """The whole way, as in docs/experiments.md; a project without a validation score needs --force."""
    arguments = ("--grid", f"{RATE}=0.003,0.01,0.03", "--study", "whole", "--seeds", "2", "--jobs", "1")
    process = searched.sweep(*arguments)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    config = load_config(params)
    study = searched.study(searched.job(study="whole"))
    assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE] * 3
    code, output = adopt("whole", "--force")
    assert code == 0, output
    best = study.best().user_attrs["values"]
    assert load_config(params) == apply(config, "iris_mlp", best)
    assert adopt("whole")[0] == 2, "the same settings are no improvement"
