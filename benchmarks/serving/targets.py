"""Targets of the comparison: the rows of serving.json."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.serving.load import Figures
from benchmarks.serving.servers import BARE, CHOICES, KNOWN, MODELS, UNBATCHED


@dataclass(frozen=True)
class Reach:
    """A target: `compare` turns our figures and theirs into the value that `what` names."""

    what: str
    against: str
    model: str
    connections: int
    compare: Callable[[Figures, Figures], float]
    reach: float
    at_most: bool = False

    @property
    def shown_against(self) -> str:
        if self.against != BARE:
            return KNOWN[self.against].name
        how = "row by row" if self.connections == 1 else "batches of 8 on both cores"
        return f"bare onnxruntime, {how}"


def _rate(model: str, against: str, reaches: dict[int, float]) -> list[Reach]:
    """Return our requests per second as a multiple of theirs."""
    return [
        Reach(f"requests/s of {model}, concurrency {connections}", against, model, connections, more, reach)
        for connections, reach in reaches.items()
    ]


def more(ours: Figures, theirs: Figures) -> float:
    return ours.requests_per_second / theirs.requests_per_second


def _p99(model: str, against: Sequence[str], reach: float) -> list[Reach]:
    what = f"p99 of {model}, concurrency 64"
    return [Reach(what, name, model, 64, lambda us, them: us.p99_ms / them.p99_ms, reach, True) for name in against]


def _p50_beside_unbatched(model: str) -> Reach:
    what = f"p50 of {model}, concurrency 1"
    return Reach(what, UNBATCHED, model, 1, lambda us, them: us.p50_ms / them.p50_ms, 1.1, True)


def _p50_beside_bare(model: str) -> Reach:
    what = f"milliseconds that p50 of {model} is longer, concurrency 1"
    return Reach(what, BARE, model, 1, lambda us, them: us.p50_ms - them.p50_ms, 0.15, True)


BATCHING = ("adaptive", "bentoml", "litserve")
ONE_PROCESS = ("fastapi", "mlserver")
PEERS = (*ONE_PROCESS, "mlflow", *BATCHING)

TARGETS = (
    *(reach for peer in ONE_PROCESS for reach in _rate("mnist_cnn", peer, {1: 2, 8: 4, 64: 5})),
    *_rate("mnist_cnn", "mlflow", {1: 6, 8: 15, 64: 15}),
    *(reach for peer in BATCHING for reach in _rate("mnist_cnn", peer, {8: 6, 64: 6})),
    *_p99("mnist_cnn", PEERS, 0.2),
    *_rate("imdb_lstm", "fastapi2", {64: 2.5}),
    *(reach for peer in ("mlserver", "adaptive") for reach in _rate("imdb_lstm", peer, {64: 4.5})),
    *_rate("imdb_lstm", "mlflow", {64: 8}),
    *_rate("imdb_lstm", BARE, {64: 0.75}),
    *_rate("iris_mlp", "fastapi", {64: 8}),
    *_rate("iris_mlp", "mlflow", {64: 25}),
    *(_p50_beside_bare(model) for model in ("mnist_cnn", "imdb_lstm")),
    *(_p50_beside_unbatched(model) for model in MODELS),
    *(reach for model in MODELS for choice in CHOICES for reach in _rate(model, choice, {1: 1, 8: 1, 64: 1})),
)
