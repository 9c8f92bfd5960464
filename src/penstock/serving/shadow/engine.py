"""An engine with shadows; a server without them has the plain engine, so that they cost it nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from penstock.core.errors import ConfigError, nearest
from penstock.serving.codecs.tensors import Tensors
from penstock.serving.runtime.batching import Outputs
from penstock.serving.runtime.engine import BatchResult, Engine, ModelQueue
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.repository import Repository
from penstock.serving.settings import ServerConfig
from penstock.serving.shadow.messages import Source
from penstock.serving.shadow.metrics import ShadowCollector
from penstock.serving.shadow.shadow import Shadow


class _SampledInputs(dict[str, NDArray[Any]]):
    """Inputs of a request that is sampled, and the time of its runs."""

    seconds = 0.0


class _SampledQueue(ModelQueue):
    def resolve(self, result: BatchResult) -> None:
        for part in result.slices:
            inputs = part.request.inputs
            if isinstance(inputs, _SampledInputs):
                inputs.seconds += result.seconds
        super().resolve(result)


class ShadowedEngine(Engine):
    """Run the models of a repository, and send a share of their requests to challengers as well.

    Args:
        repository: The served models.
        config: Settings of the server.
        sources: The challengers.

    Raises:
        ConfigError: The model of a challenger is not served.
    """

    queue_type = _SampledQueue

    def __init__(self, repository: Repository, config: ServerConfig, sources: Sequence[Source]) -> None:
        super().__init__(repository, config)
        known = repository.models.keys() | repository.rejected.keys()
        for source in sources:
            if source.model not in known:
                raise ConfigError(f"--shadow {source.model}: no such model is served{nearest(source.model, known)}")
        self._shadows = {source.model: Shadow(source, config, self.memory) for source in sources}
        metrics = {name: shadow.metrics for name, shadow in self._shadows.items()}
        self.metrics.collectors.append(ShadowCollector(metrics))

    def start(self) -> None:
        super().start()
        for name, shadow in self._shadows.items():
            shadow.start(self._loop, partial(self.repository.models.get, name))

    def close(self) -> None:
        for shadow in self._shadows.values():
            shadow.close()
        super().close()

    async def infer(self, model: ServedModel, inputs: Tensors, timeout: float | None = None) -> Outputs:
        shadow = self._shadows.get(model.name)
        if shadow is None or not shadow.takes():
            return await super().infer(model, inputs, timeout)
        sampled = _SampledInputs(inputs)
        outputs = await super().infer(model, sampled, timeout)
        # The answer is written first.
        self._loop.call_soon(shadow.add, model, inputs, outputs, sampled.seconds)
        return outputs

    async def infer_parts(self, model: ServedModel, inputs: Tensors, timeout: float) -> Outputs:
        """Run the champion alone: the challenger gets what clients send."""
        return await super().infer(model, inputs, timeout)


def engine_of(repository: Repository, config: ServerConfig, shadows: Mapping[str, Path]) -> Engine:
    """Return an engine with the shadows.

    Args:
        repository: The served models.
        config: Settings of the server.
        shadows: ONNX file, or folder with one, of the challenger of each model.

    Raises:
        ConfigError: The model of a challenger is not served.
    """
    if not shadows:
        return Engine(repository, config)
    sources = [Source(name, path, config.allow_unvalidated, config.attestation_key) for name, path in shadows.items()]
    return ShadowedEngine(repository, config, sources)
