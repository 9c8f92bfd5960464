"""A training step of each documented model in our Trainer, against the same network without it.

All see the same rows in memory, in batches of the same size, with the same losses, optimisers, clipping, schedule and
running mean of the weights, on as many threads as `trainer.threads` says, each in a process of its own. The bare loop
has the memory format, the fused optimiser and the kept memory of ours, so that it shows what our Trainer costs;
Lightning with a `DataLoader` is as people write it, without them. Ours has everything on: figures per epoch, the best
weights kept, the callbacks of `fit`, and checkpoints, of which an epoch is charged its share of one every
`checkpoints.seconds`. An epoch is timed as a whole, without the first, from the end of the one before, validation on a
single batch included.

Where the processor computes in bf16, images are timed with `trainer.precision: bf16-mixed` as well, against the same
fp32 that people write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import torch

from benchmarks.competitors import ours
from benchmarks.pairs import Ratio, Timed, times_in_turns
from benchmarks.results import Row
from penstock.config.params import Config
from penstock.core.paths import Project

PAIRS = 5
SECONDS = 1.0  # that an epoch should take, about
LEAST_STEPS, MOST_STEPS = 4, 1000
BARE, DATALOADER = "the same network in a bare torch loop", "Lightning with DataLoader(TensorDataset, shuffle=True)"
IN_MILLISECONDS = "iris_mlp"  # whose steps are so short that a share of them says nothing


def measure(project: Project, config: Config) -> Iterator[Row]:
    for name in config.models:
        steps, times = _times(project, config, name)
        if name == IN_MILLISECONDS:
            more = Ratio.of([(ours - bare) / steps * 1000 for ours, bare, *_ in times])
            yield Row(f"milliseconds that a step of {name} takes longer", BARE, more.value, more.iqr_half, 0.35, True)
        else:
            speed = Ratio.of([bare / ours for ours, bare, *_ in times])
            yield Row(f"speed of a step of {name}", BARE, speed.value, speed.iqr_half, 0.95)
        for number, precision in enumerate(_precisions(config, name)):
            speed = Ratio.of([theirs / (ours, *others)[number] for ours, _, theirs, *others in times])
            in_it = f" in {precision}" if number else ""
            target = 2 if "_cnn" in name else 1
            yield Row(f"speed of a step of {name}{in_it}", DATALOADER, speed.value, speed.iqr_half, target)


def _times(project: Project, config: Config, name: str) -> tuple[int, list[tuple[float, ...]]]:
    """How many steps an epoch has, and its seconds: ours, bare, Lightning's, ours in other precisions; in turns."""
    first, *others = _precisions(config, name)
    competitors = [("ours", first), ("bare", first), ("dataloader", first), *(("ours", other) for other in others)]
    with ExitStack() as stack:

        def timed(competitor: str, precision: str) -> Timed:
            process = stack.enter_context(ours("benchmarks.one_epoch", competitor, name, precision, cwd=project.root))
            return lambda: float(process.tell(f"{steps}")["seconds"])

        epochs = [timed(*competitor) for competitor in competitors]
        steps = LEAST_STEPS
        _, seconds = (epochs[1]() for _ in range(2))
        steps = max(LEAST_STEPS, min(int(SECONDS / seconds * steps), MOST_STEPS))
        return steps, times_in_turns(PAIRS, *epochs)


def _precisions(config: Config, name: str) -> list[str]:
    """That ours is timed in; the first is the one that everybody has."""
    images = "_cnn" in name and torch.cpu._is_avx512_bf16_supported()
    return [config.trainer.precision, *(["bf16-mixed"] if images else [])]
