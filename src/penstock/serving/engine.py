"""Models at work: requests of many callers to runs of onnxruntime."""

from __future__ import annotations

import asyncio
from typing import Any

from numpy.typing import NDArray

from penstock.serving.models import ServedModel, finite
from penstock.serving.refusals import InputError
from penstock.serving.repository import Repository
from penstock.serving.tensors import Tensors


class Engine:
    """Runs models of a repository; what is common to HTTP and gRPC."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    async def infer(self, model: ServedModel, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """All outputs by name, a row for each row of the inputs, in their order.

        Raises:
            InputError: the inputs are not what the model wants, or their values are too large for it.
            OverloadedError: as many rows are waiting as may wait.
            TimedOutError: there was no answer in time.
            ModelFailedError: onnxruntime could not compute these rows.
        """
        model.rows(inputs)
        outputs = await asyncio.to_thread(model.run, inputs)
        if not finite(outputs):
            raise InputError(f"{', '.join(inputs)}: values so large that the model has no answer")
        return outputs
