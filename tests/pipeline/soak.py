"""Kills a small pipeline a hundred times at random moments: `python -m tests.pipeline.soak [KILLS] [SEED]`."""

import random
import sys
import tempfile
from pathlib import Path

from tests.helpers.killed_pipeline import (
    EPOCHS,
    MODELS,
    after,
    assert_one_run_for_each,
    finish,
    forget,
    kill_at_one_of,
    outcome,
    small_project,
    trainings_gone_on_with,
)

REPOSITORY = Path(__file__).parents[2]
KILLS_THAT_MEET_A_TRAINING = 20
MOST_SECONDS = 30  # most stages take less, so that each kill finds another one


def main(kills: int = 100, seed: int = 0) -> None:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        never, killed = (small_project(REPOSITORY, Path(folder) / name) for name in ("never", "killed"))
        finish(never)
        done = pipelines = gone_on = 0
        while done < kills:
            come, said = kill_at_one_of(killed, {"random": after(draw.uniform(0, MOST_SECONDS))})
            gone_on += trainings_gone_on_with(said)
            if come:
                done += 1
                if done < kills:
                    continue
                gone_on += trainings_gone_on_with(finish(killed))
            assert outcome(killed.root) == outcome(never.root)
            assert_one_run_for_each(killed.root, MODELS, EPOCHS)
            pipelines += 1
            print(
                f"{done} kills, {pipelines} pipelines: the same bytes, one run for each model; "
                f"{gone_on} times a training went on from its checkpoint",
                flush=True,
            )
            forget(killed)
        assert gone_on or kills < KILLS_THAT_MEET_A_TRAINING


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
