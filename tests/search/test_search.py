"""A search in one process: exact counts, known results, failed settings, pruning, checkpoints, MLflow."""

import signal
import threading
import time

import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from penstock.config.loading import load_config
from penstock.core.errors import ConfigError
from penstock.core.signals import Interrupted, interrupt_at_once
from penstock.search import studies
from penstock.search.claims import Claims, worker_name
from penstock.search.dry_run import show_plan
from penstock.search.status import StudyStatus
from penstock.search.sweep import _require_same_search
from penstock.search.trials import MOST_DEATHS
from penstock.tracking.study_run import track_study
from penstock.tracking.tags import DESCRIPTION, EXPERIMENT_KIND, KEY, PARENT, TRIAL
from tests.search.search_project import MODEL


def test_each_trial_is_a_child_run_of_the_study_and_the_score_is_that_of_validation(searched):
    job = searched.job(winner_seeds=1)
    study = searched.search(job)
    trials = study.trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    assert [trial.params["training.optimizer.learning_rate"] for trial in trials] == [0.003, 0.01, 0.03]
    runs = {run.data.tags[KEY]: run for run in searched.trials_in_mlflow(study.name)}
    assert len(runs) == 3
    client = MlflowClient(searched.uri)
    for trial in trials:
        run = runs[trial.user_attrs["key"]]
        history = client.get_metric_history(run.info.run_id, "val/accuracy")
        assert [one.value for one in history if one.step == trial.user_attrs["epoch"]] == [trial.values[0]]
        assert run.info.status == "FINISHED"
        assert run.data.params["training.optimizer.learning_rate"] == str(trial.user_attrs["values"][RATE])
        assert client.get_run(run.data.tags[PARENT]).info.run_name == study.name
    best = runs[study.best().user_attrs["key"]].info.run_id
    seeds = [
        run
        for run in client.search_runs([run.info.experiment_id])
        if run.data.tags.get(PARENT) == best and run.info.run_name == "seed 2"
    ]
    assert len(seeds) == 1


RATE = "training.optimizer.learning_rate"


def test_a_study_describes_the_experiment_before_any_training_does(searched):
    config = load_config(searched.project.params)
    with track_study(searched.project, config, "iris_mlp", "s"):
        pass
    searched.upload()
    experiment = MlflowClient(searched.uri).get_experiment_by_name("iris")
    assert experiment
    tags = experiment.tags
    assert "Models trained on **iris**" in tags[DESCRIPTION]
    assert EXPERIMENT_KIND.items() <= tags.items()


def test_a_finished_study_is_left_alone_and_more_trials_are_added(searched):
    searched.search(searched.job(trials=2, study="s"))
    study = searched.search(searched.job(trials=2, study="s"))
    assert len(study.trials()) == 2
    first = [trial.datetime_complete for trial in study.trials()]
    study = searched.search(searched.job(trials=3, study="s"))
    assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE] * 3
    assert [trial.datetime_complete for trial in study.trials()][:2] == first


def test_what_another_study_has_computed_is_not_trained_again(searched, tmp_path):
    searched.search(searched.job(study="first"))
    other_storage = f"sqlite:///{tmp_path}/other.db"  # so that only MLflow knows
    for storage, source in ((searched.storage, "this storage"), (other_storage, None)):
        study = searched.search(searched.job(study="second"), storage)
        for trial in study.trials():
            assert trial.state is TrialState.COMPLETE
            assert not trial.intermediate_values
            assert source is None or trial.user_attrs["known"] == source
    copies = searched.trials_in_mlflow("second")
    assert [run.data.tags[TRIAL] for run in copies] == ["known"] * 3
    assert {run.data.metrics["val/accuracy"] for run in copies} == {trial.values[0] for trial in study.trials()}


def test_settings_that_fail_are_a_failed_trial_with_its_reason(searched):
    study = searched.search(searched.job(["training.optimizer.learning_rate=0.01,1.0e30"]))
    good, bad = study.trials()
    assert good.state is TrialState.COMPLETE
    assert bad.state is TrialState.FAIL
    assert "no longer a finite number" in bad.user_attrs["reason"]


def test_a_trial_whose_workers_are_all_killed_early_fails_and_does_not_end_the_next_one(searched):
    job = searched.job(["training.optimizer.learning_rate=0.01"])
    study = searched.study(job)
    study.fill(1)
    for _ in range(MOST_DEATHS):
        study.count_death(study.trials()[0])
    (trial,) = searched.search(job).trials()
    assert trial.state is TrialState.FAIL
    assert trial.user_attrs["reason"].startswith(f"{MOST_DEATHS} workers were killed before the first checkpoint")


def test_a_study_of_other_settings_or_of_another_program_is_not_continued(searched):
    job = searched.job(study="s")
    study = searched.study(job)
    _require_same_search(study, job)
    _require_same_search(study, searched.job(study="s", trials=2))
    searched.edit(l2=0.5)
    with pytest.raises(ConfigError, match=r"--study s: searches something else \(other settings\)"):
        _require_same_search(study, searched.job(study="s"))
    foreign = searched.study(searched.job(study="foreign"))
    foreign.optuna.ask()
    with pytest.raises(ConfigError, match="--study foreign: was not made by `penstock sweep`"):
        _require_same_search(foreign, searched.job(study="foreign"))


def test_pruned_trials_count_as_finished(searched):
    searched.edit(epochs=9)
    rates = ["training.optimizer.learning_rate=0.03,0.02,0.00001,0.000011,0.000012"]
    study = searched.search(searched.job(rates, pruner="hyperband"))
    states = [trial.state for trial in study.trials()]
    assert len(states) == 5
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    pruned = [run for run in searched.trials_in_mlflow(study.name) if run.data.tags[TRIAL] == "pruned"]
    assert len(pruned) == states.count(TrialState.PRUNED)
    assert {run.info.status for run in pruned} == {"FINISHED"}


def test_an_interrupted_trial_waits_and_goes_on_from_its_checkpoint_in_the_same_run(searched, capsys):
    searched.edit(epochs=80)
    job = searched.job(["training.optimizer.learning_rate=0.01"])
    interrupt_at_once()
    has_begun = searched.project.checkpoints("search", MODEL)
    threading.Thread(target=_interrupt_when, args=[lambda: list(has_begun.glob("*/*/last.ckpt"))]).start()
    with pytest.raises(Interrupted):
        searched.search(job)
    study = searched.study(job)
    (trial,) = study.trials()
    assert trial.state is TrialState.WAITING
    claims = Claims(study.storage._backend.engine, worker_name(), 60)
    assert [state for _, state in StudyStatus(study, claims).states()] == ["interrupted"]
    (run,) = searched.trials_in_mlflow(study.name)
    assert run.info.status == "KILLED"

    capsys.readouterr()
    (trial,) = searched.search(job).trials()
    assert "resuming after batch" in capsys.readouterr().out
    assert trial.state is TrialState.COMPLETE
    (again,) = searched.trials_in_mlflow(study.name)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    assert not list(has_begun.glob("*/*/last.ckpt"))


def _interrupt_when(condition):
    while not condition():
        time.sleep(0.01)
    signal.raise_signal(signal.SIGTERM)


def test_tpe_draws_values_of_the_space_and_never_trains_the_same_settings_twice(searched):
    job = searched.job(["training.batch_size=16,48"], is_grid=False, trials=4)
    study = searched.search(job)
    drawn = {trial.user_attrs["values"]["training.batch_size"] for trial in study.trials()}
    assert drawn <= {16, 48}
    assert len(searched.trials_in_mlflow(study.name)) == len(drawn) < len(study.trials()) == 4


def test_a_dry_run_says_what_is_known(searched, capsys):
    searched.search(searched.job(["training.optimizer.learning_rate=0.01"]))
    capsys.readouterr()
    show_plan(searched.job(), searched.storage)
    output = capsys.readouterr().out
    assert "0 of 3 trials finished" in output
    assert output.count("to train") == 3
    assert "known: accuracy" in output
    assert "2 to train, 1 known" in output


def test_a_study_keeps_its_name_when_the_winner_is_adopted_and_no_other_change_does(searched):
    name = searched.job().study
    assert searched.job().study == name
    searched.edit(optimizer={"kind": "adam", "learning_rate": 0.03})
    assert searched.job().study == name
    searched.edit(epochs=4)
    assert searched.job().study != name


def test_the_status_shows_every_trial(searched, capsys):
    job = searched.job(trials=3)
    searched.search(searched.job(trials=2, study=job.study))
    study = searched.study(job)
    study.fill(3)
    capsys.readouterr()
    StudyStatus(study, Claims(study.storage._backend.engine, worker_name(), 60)).print()
    output = capsys.readouterr().out
    assert "2 complete, 1 waiting" in output
    assert output.count("best") == 1
    assert studies.EPOCH in output
