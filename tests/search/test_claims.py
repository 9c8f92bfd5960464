"""Claims of workers, on SQLite and PostgreSQL."""

import subprocess
import sys
import time

import pytest

from penstock.search.claims import Claims, HeldClaims, LostClaimError, worker_name
from penstock.search.results import Results
from penstock.search.storage import open_storage
from penstock.tracking.training_result import TrainingResult

LEASE = 0.5


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db" if request.param == "sqlite" else request.getfixturevalue("schema")
    with open_storage(url) as storage:
        yield storage.engine


@pytest.fixture
def workers(engine):
    return Claims(engine, "elsewhere/1/1.00", LEASE), Claims(engine, "elsewhere/2/1.00", LEASE)


def test_one_of_two_workers_gets_a_trial_until_it_is_released(workers):
    first, second = workers
    claim = first.take("trial a 0")
    assert claim and claim.token == 1
    assert second.take("trial a 0") is None
    assert first.holders("trial a ")["trial a 0"].is_live
    first.release(claim)
    taken = second.take("trial a 0")
    assert taken and taken.token == 2
    assert not first.renew(claim)


def test_a_silent_worker_keeps_its_trial_until_another_takes_it(workers):
    first, second = workers
    claim = first.take("trial a 0")
    time.sleep(LEASE + 0.1)
    assert not second.holders("trial a ")["trial a 0"].is_live
    assert first.renew(claim)
    assert second.take("trial a 0") is None
    time.sleep(LEASE + 0.1)
    assert second.take("trial a 0")
    assert not first.renew(claim)


def test_claims_are_renewed_in_the_background_and_a_lost_one_is_noticed(workers):
    first, second = workers
    with HeldClaims(first) as held:
        held.take("trial a 0")
        time.sleep(2 * LEASE)
        assert second.take("trial a 0") is None
        held.claims.release(held.held["trial a 0"])
        assert second.take("trial a 0")
        with pytest.raises(LostClaimError):
            held.require()
        held.forget()
        held.require()


def test_the_claims_of_a_dead_process_of_this_machine_are_free_at_once(engine):
    script = (
        "from penstock.search.claims import Claims, worker_name; from penstock.search.storage import open_storage\n"
        f"with open_storage({engine.url.render_as_string(False)!r}) as storage:\n"
        "    Claims(storage.engine, worker_name(), 600).take('trial a 0')"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    own = Claims(engine, worker_name(), 600)
    assert own.take("trial a 1")
    own.expire_dead()
    assert own.take("trial a 0")
    assert own.take("trial a 1") is None


def test_the_first_result_of_a_training_stays(engine):
    results = Results(engine)
    assert results.get("k") is None
    results.put("k", TrainingResult(0.9, 0.1, 2, 3, 1.5))
    results.put("k", TrainingResult(None, reason="the loss is no longer finite"))
    assert results.get("k") == TrainingResult(0.9, 0.1, 2, 3, 1.5)
