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
KILLS = 20


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
@pytest.mark.timeout(600)
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


def run_with_kills(project, options, draw, most):
    """Run two sweeps until both are done; SIGKILL hits a worker, or a sweep, at random moments. Return how often."""
    sweeps = [project.sweep(*options) for _ in range(2)]
    kills = 0
    while any(sweep.poll() is None for sweep in sweeps):
        time.sleep(draw.uniform(1, 20))
        place = draw.randrange(2)
        sweep = sweeps[place]
        if kills == most or sweep.poll() is not None:
            continue
        for victim in [psutil.Process(sweep.pid)] if draw.random() < 0.3 else workers_of(sweep):
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
                kills += 1
                sweep.communicate(timeout=SECONDS)
                sweeps[place] = project.sweep(*options)
    for sweep in sweeps:
        finish(sweep)
    return kills


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_workers_of_two_sweeps_on_postgresql_lose_no_trial(searched, schema):
    searched.edit(epochs=100)
    draw, kills, number = random.Random(1), 0, 0
    while kills < KILLS:
        number += 1
        rates = RATES + ",".join(str((10 * number + place) / 10_000) for place in range(6))
        options = ["--jobs", "1", "--seeds", "0", "--study", f"s{number}", "--storage", schema, "--lease", "5"]
        kills += run_with_kills(searched, ["--grid", rates, *options], draw, KILLS - kills)
        study = searched.study(searched.job([rates], study=f"s{number}"), schema)
        require_one_result_per_trial(searched, study, 6)
    assert kills == KILLS


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
