"""Define the targets of the comparison, which are the rows of serving.json."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.serving.load import Figures
from benchmarks.serving.servers import BARE, CHOICES, KNOWN, MODELS, UNBATCHED


@dataclass(frozen=True)
class Target:
    """A target of Penstock's server, relative to another server."""

    metric: str
    """The compared quantity."""
    peer: str
    """The other server."""
    model: str
    """The model that both serve."""
    connections: int
    """Number of open connections."""
    compare: Callable[[Figures, Figures], float]
    """Computes the value of `metric`, from the figures of Penstock and of the other server."""
    limit: float
    """Lowest accepted value, or the highest one if `at_most`."""
    at_most: bool = False

    @property
    def baseline(self) -> str:
        """Name of the other server in the table."""
        if self.peer != BARE:
            return KNOWN[self.peer].name
        how = "row by row" if self.connections == 1 else "batches of 8 on both cores"
        return f"bare onnxruntime, {how}"


def _rate(model: str, peer: str, limits: dict[int, float]) -> list[Target]:
    """Return targets for the ratio of requests per second, by number of connections."""
    return [
        Target(f"requests/s of {model}, concurrency {connections}", peer, model, connections, more, limit)
        for connections, limit in limits.items()
    ]


def more(ours: Figures, theirs: Figures) -> float:
    return ours.requests_per_second / theirs.requests_per_second


def _p99(model: str, peers: Sequence[str], limit: float) -> list[Target]:
    metric = f"p99 of {model}, concurrency 64"
    return [Target(metric, name, model, 64, lambda us, them: us.p99_ms / them.p99_ms, limit, True) for name in peers]


def _p50_beside_unbatched(model: str) -> Target:
    metric = f"p50 of {model}, concurrency 1"
    return Target(metric, UNBATCHED, model, 1, lambda us, them: us.p50_ms / them.p50_ms, 1.1, True)


def _p50_beside_bare(model: str) -> Target:
    metric = f"milliseconds that p50 of {model} is longer, concurrency 1"
    return Target(metric, BARE, model, 1, lambda us, them: us.p50_ms - them.p50_ms, 0.15, True)


BATCHING = ("adaptive", "bentoml", "litserve")
ONE_PROCESS = ("fastapi", "mlserver")
PEERS = (*ONE_PROCESS, "mlflow", *BATCHING)

TARGETS = (
    *(target for peer in ONE_PROCESS for target in _rate("mnist_cnn", peer, {1: 2, 8: 4, 64: 5})),
    *_rate("mnist_cnn", "mlflow", {1: 6, 8: 15, 64: 15}),
    *(target for peer in BATCHING for target in _rate("mnist_cnn", peer, {8: 6, 64: 6})),
    *_p99("mnist_cnn", PEERS, 0.2),
    *_rate("imdb_lstm", "fastapi2", {64: 2.5}),
    *(target for peer in ("mlserver", "adaptive") for target in _rate("imdb_lstm", peer, {64: 4.5})),
    *_rate("imdb_lstm", "mlflow", {64: 8}),
    *_rate("imdb_lstm", BARE, {64: 0.75}),
    *_rate("iris_mlp", "fastapi", {64: 8}),
    *_rate("iris_mlp", "mlflow", {64: 25}),
    *(_p50_beside_bare(model) for model in ("mnist_cnn", "imdb_lstm")),
    *(_p50_beside_unbatched(model) for model in MODELS),
    *(target for model in MODELS for choice in CHOICES for target in _rate(model, choice, {1: 1, 8: 1, 64: 1})),
)
