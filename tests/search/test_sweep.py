"""`penstock sweep` as people run it: several workers, which are killed and stopped."""

import os
import random
import re
import signal
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest
from optuna.trial import TrialState

from penstock.search.claims import Claims, worker_name
from penstock.search.status import StudyStatus
from penstock.tracking.tags import KEY
from tests.helpers.processes import wait_until

RATES = "training.optimizer.learning_rate="
GRID = f"{RATES}0.002,0.004,0.008,0.016"
SECONDS = 900


def finish(sweep):
    """Wait for a sweep, and return what it printed."""
    output, _ = sweep.communicate(timeout=SECONDS)
    assert sweep.returncode == 0, output
    return output


def workers_of(sweep):
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(sweep.pid).children()
        return [child for child in children if "penstock.search.worker" in " ".join(child.cmdline())]
    return []


def require_one_result_per_trial(project, study, count):
    """Check counts and states in Optuna's storage, and that MLflow has one finished run for each key."""
    trials = study.trials()
    assert [trial.number for trial in trials] == list(range(count))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    keys = [trial.user_attrs["key"] for trial in trials]
    runs = project.trials_in_mlflow(study.name)
    assert Counter(run.data.tags[KEY] for run in runs) == Counter(set(keys))
    assert {run.info.status for run in runs} == {"FINISHED"}


@pytest.mark.integration
def test_two_jobs_finish_exactly_the_trials_and_the_same_command_trains_nothing_more(searched):
    options = ["--grid", GRID, "--jobs", "2", "--seeds", "2", "--study", "s"]
    output = finish(searched.sweep(*options))
    assert len(re.findall(r"trial +iris_mlp \d .*accuracy 0\.\d{4} after epoch", output)) == 4
    assert "over 2 more seeds" in output
    job = searched.job([GRID], study="s")
    require_one_result_per_trial(searched, searched.study(job), 4)
    again = finish(searched.sweep(*options))
    assert "4 of them finished" in again
    assert "after epoch" not in again
    assert "4 complete" in finish(searched.sweep("--status", "--grid", GRID, "--study", "s"))


@pytest.mark.slow
def test_four_jobs_on_sqlite_finish_exactly_the_trials(searched):
    rates = ",".join(str(rate / 1000) for rate in range(1, 13))
    finish(searched.sweep("--grid", RATES + rates, "--jobs", "4", "--seeds", "0", "--study", "s"))
    require_one_result_per_trial(searched, searched.study(searched.job([RATES + rates], study="s")), 12)


@pytest.mark.slow
def test_killed_workers_of_two_sweeps_on_postgresql_lose_no_trial(searched, schema):
    """SIGKILL hits a worker, or a whole sweep, at a random moment, 20 times."""
    searched.edit(epochs=60)
    rates = RATES + ",".join(str(rate / 1000) for rate in range(1, 13))
    options = ["--grid", rates, "--jobs", "1", "--seeds", "0", "--study", "s", "--storage", schema, "--lease", "5"]
    draw = random.Random(1)
    sweeps = [searched.sweep(*options) for _ in range(2)]
    for _ in range(20):
        time.sleep(draw.uniform(1, 12))
        chosen = draw.randrange(2)
        victims = workers_of(sweeps[chosen]) if draw.random() < 0.7 else [psutil.Process(sweeps[chosen].pid)]
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        if sweeps[chosen].poll() is not None or not workers_of(sweeps[chosen]):
            sweeps[chosen].communicate(timeout=SECONDS)
            sweeps[chosen] = searched.sweep(*options)
    for sweep in sweeps:
        sweep.communicate(timeout=SECONDS)
    finish(searched.sweep(*options))
    require_one_result_per_trial(searched, searched.study(searched.job([rates], study="s"), schema), 12)


@pytest.mark.slow
def test_a_stopped_worker_drops_its_trial_if_another_has_taken_it(searched):
    searched.edit(epochs=150)
    options = ["--grid", GRID, "--jobs", "2", "--seeds", "0", "--study", "s", "--lease", "2"]
    sweep = searched.sweep(*options)
    study = searched.study(searched.job([GRID], study="s"))
    wait_until(lambda: any(trial.intermediate_values for trial in study.trials()), SECONDS)
    stopped = workers_of(sweep)[0]
    stopped.send_signal(signal.SIGSTOP)
    wait_until(lambda: len(study.finished()) == 4, SECONDS)
    before = [trial.datetime_complete for trial in study.trials()]
    assert stopped.status() == psutil.STATUS_STOPPED
    stopped.send_signal(signal.SIGCONT)
    finish(sweep)
    assert [trial.datetime_complete for trial in study.trials()] == before
    require_one_result_per_trial(searched, study, 4)


@pytest.mark.slow
def test_a_worker_that_was_stopped_for_less_than_its_lease_goes_on(searched):
    searched.edit(epochs=100)
    sweep = searched.sweep("--grid", f"{RATES}0.002", "--jobs", "1", "--seeds", "0", "--study", "s")
    study = searched.study(searched.job([f"{RATES}0.002"], study="s"))
    wait_until(lambda: any(trial.intermediate_values for trial in study.trials()), SECONDS)
    (worker,) = workers_of(sweep)
    worker.send_signal(signal.SIGSTOP)
    time.sleep(2)
    worker.send_signal(signal.SIGCONT)
    assert "resuming" not in finish(sweep)
    require_one_result_per_trial(searched, study, 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_trial_stays_running_when_the_whole_sweep_ends(searched, number):
    searched.edit(epochs=200)
    options = ["--grid", f"{RATES}0.002,0.004", "--jobs", "2", "--seeds", "0", "--study", "s"]
    sweep = searched.sweep(*options)
    study = searched.study(searched.job([f"{RATES}0.002,0.004"], study="s"))
    wait_until(lambda: sum(bool(trial.intermediate_values) for trial in study.trials()) == 2, SECONDS)
    workers = workers_of(sweep)
    for process in [sweep, *workers]:
        os.kill(process.pid, number)
    sweep.communicate(timeout=SECONDS)
    psutil.wait_procs(workers, timeout=60)
    StudyStatus(study, Claims(study.storage._backend.engine, worker_name(), 60)).settle()
    assert {trial.state for trial in study.trials()} == {TrialState.WAITING}
    assert "resuming after batch" in finish(searched.sweep(*options))
    require_one_result_per_trial(searched, study, 2)


def test_a_name_that_filters_of_mlflow_do_not_take_is_refused(searched):
    command = searched.sweep("--study", "it's")
    output, _ = command.communicate(timeout=SECONDS)
    assert (command.returncode, output) == (2, """error: --study "it's": use letters, digits, - and _\n""")
