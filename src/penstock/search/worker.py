"""A worker of a search, which `penstock sweep` starts (`worker_start`).

It reads its order from standard input, one line of JSON. The end of standard input means that `penstock sweep` is dead.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from penstock.core import console
from penstock.core.errors import PenstockError, explain
from penstock.core.signals import Interrupted, interrupt_at_once
from penstock.orchestration.project_code import require_project_code
from penstock.orchestration.resources import use_threads
from penstock.search.claims import Claims, HeldClaims, worker_name
from penstock.search.progress import SearchProgress
from penstock.search.results import Results
from penstock.search.samplers import make_pruner
from penstock.search.search_job import WorkerOrder
from penstock.search.storage import open_storage
from penstock.search.studies import open_study
from penstock.search.trials import TrialRunner
from penstock.training.malloc import tune_glibc_malloc


def work(order: WorkerOrder) -> None:
    """Run what is left of a search, together with other workers.

    Raises:
        Interrupted: A signal came; what was begun can be continued by any worker.
        PenstockError: The search cannot go on.
    """
    job = order.job
    with open_storage(order.storage) as storage:
        study = open_study(
            storage,
            job.study,
            objective=job.objective,
            pruner=make_pruner(job.settings.pruner, job.config.model(job.model).training.epochs),
        )
        progress = SearchProgress(job, study, Results(storage.engine), order.known)
        with HeldClaims(Claims(storage.engine, worker_name(), job.lease_seconds)) as held:
            TrialRunner(progress, held).run_all()


def main() -> None:
    """Read the order, and work; exit codes are those of a stage."""
    interrupt_at_once()
    try:
        order = WorkerOrder.decode(sys.stdin.readline())
        require_project_code(order.job.project)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        use_threads(order.job.config.trainer.threads)
        tune_glibc_malloc()
        work(order)
    except (PenstockError, OSError) as error:
        message, exit_code = explain(error)
        console.fail(message)
        sys.exit(exit_code)
    except Interrupted as interruption:
        sys.exit(interruption.exit_code)


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)
