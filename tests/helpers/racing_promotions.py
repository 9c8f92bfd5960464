"""Processes that promote different versions of one model at the same moment."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

NAME = "iris_mlp"
SECONDS = 100


def race(root: Path, versions: int, rounds: int) -> list[list[str]]:
    """Promote from two processes; return the versions that each of them has promoted, empty where it lost.

    Args:
        root: Folder of the project; its MLflow has so many versions of the model, and the first is champion.
        versions: At least three, so that both processes find one that is not the champion.
        rounds: Number of rounds.
    """
    context = multiprocessing.get_context("spawn")  # a fork would share connections to the database
    barrier, answers = context.Barrier(2), context.Queue()
    racers = [context.Process(target=_racer, args=(root, versions, rounds, one, barrier, answers)) for one in (1, 2)]
    for racer in racers:
        racer.start()
    found = dict(answers.get(timeout=SECONDS) for _ in racers)
    for racer in racers:
        racer.join()
    return [found[1], found[2]]


def _racer(root: Path, versions: int, rounds: int, step: int, barrier: Barrier, answers: Any) -> None:
    answers.put((step, [_promote(root, versions, step, barrier) for _ in range(rounds)]))


def _promote(root: Path, versions: int, step: int, barrier: Barrier) -> str:
    from penstock.config.loading import load_config
    from penstock.core.paths import Project
    from penstock.registry.champion_record import ChampionMovedError
    from penstock.registry.mlflow_registry import MlflowRegistry
    from penstock.registry.moves import Kind, Move
    from penstock.tracking.client import connect
    from penstock.tracking.uri import tracking_uri

    project = Project(root)
    config = load_config(project.params)
    barrier.wait(SECONDS)  # the moves of the last round are done
    registry = MlflowRegistry(connect(tracking_uri(project, config)), project, config)
    champion = registry.champion(NAME)
    version = str((int(champion) - 1 + step) % versions + 1)
    barrier.wait(SECONDS)
    move = Move(number=0, kind=Kind.PROMOTE, version=version, previous=champion, reason=f"of process {step}")
    try:
        return registry.move(NAME, move).version
    except ChampionMovedError:
        return ""


def promotes(versions: Sequence[Sequence[str]]) -> list[str]:
    """Return the version of the one winner of each round."""
    rounds = [[version for version in one if version] for one in zip(*versions, strict=True)]
    assert [len(winners) for winners in rounds] == [1] * len(rounds), rounds
    return [winners[0] for winners in rounds]
