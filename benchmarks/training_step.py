"""A training step of each documented model in our Trainer, against the same network without it.

All see the same rows in memory, in batches of the same size, with the same losses, optimisers, clipping, schedule and
running mean of the weights, on as many threads as `trainer.threads` says, each in a process of its own.

- The bare loop has the memory format, the fused optimizer and the malloc settings of ours, so it shows what Lightning
  and our callbacks cost together.
- Lightning with our loader is a short module with the same memory format, optimizer and malloc settings, so it shows
  what our modules and callbacks cost.
- Lightning with a `DataLoader` is what tutorials write, without any of these.

Ours has everything on: metrics per epoch, the best weights, the callbacks of `fit`, and checkpoints, of which an epoch
is charged its share of one every `checkpoints.seconds`. An epoch is timed as a whole, without the first, from the end
of the one before, validation on a single batch included.

Where the processor computes in bf16, images are timed with `trainer.precision: bf16-mixed` as well, against the same
fp32 that people write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

import torch

from benchmarks.competitors import ours
from benchmarks.pairs import Ratio, Timed, times_in_turns
from benchmarks.results import Row
from penstock.config.params import Config
from penstock.core.paths import Project

PAIRS = 5
SECONDS = 1.0  # that an epoch should take, about
LEAST_STEPS, MOST_STEPS = 4, 1000
BARE = "the same network in a bare torch loop"
TUNED = "Lightning with our loader, memory format and optimizer"
DATALOADER = "Lightning with DataLoader(TensorDataset, shuffle=True)"
LONG_STEP = 0.005  # seconds; of a shorter step a ratio says little


def measure(project: Project, config: Config) -> Iterator[Row]:
    for name in config.models:
        steps, times = _times(project, config, name)
        if median(bare for _, bare, *_ in times) < LONG_STEP * steps:
            more = Ratio.of([(ours - bare) / steps * 1000 for ours, bare, *_ in times])
            yield Row(f"milliseconds that a step of {name} takes longer", BARE, more.value, more.iqr_half, 0.8, True)
        else:
            yield _speed(name, BARE, [bare / ours for ours, bare, *_ in times], 0.93)
        yield _speed(name, TUNED, [tuned / ours for ours, _, tuned, *_ in times], 0.93)
        for number, precision in enumerate(_precisions(config, name)):
            in_it = f" in {precision}" if number else ""
            ratios = [theirs / (ours, *others)[number] for ours, _, _, theirs, *others in times]
            yield _speed(f"{name}{in_it}", DATALOADER, ratios, 1)


def _speed(name: str, baseline: str, ratios: list[float], target: float) -> Row:
    speed = Ratio.of(ratios)
    return Row(f"speed of a step of {name}", baseline, speed.value, speed.iqr_half, target)


def _times(project: Project, config: Config, name: str) -> tuple[int, list[tuple[float, ...]]]:
    """Return the steps of an epoch, and its seconds in ours, bare, tuned, dataloader and ours in other precisions."""
    first, *others = _precisions(config, name)
    competitors = [*((kind, first) for kind in ("ours", "bare", "tuned", "dataloader")), *(("ours", o) for o in others)]
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
