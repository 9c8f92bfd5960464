"""Autoencoders: how far what they give back is from what they were given, and that a shift of the code does what it
says (`penstock.export.latent_shift`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.config.models import ReconstructionConfig
from penstock.data.datasets.base import RawSplit
from penstock.evaluation.parity import Answers, difference
from penstock.evaluation.results import Check, Metric, Predictions, TaskResult
from penstock.export.latent_shift import CODE, CODE_SHIFT
from penstock.io.processed_dataset import ArraySplit
from penstock.models.autoencoder import Autoencoder
from penstock.models.common.base import ExportableModel

SHOWN_PAIRS = 12
SHIFTED_ROWS = 256


def eval_inputs(test: RawSplit, processed: ArraySplit, _network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """The test split, raw for the file and processed for the network."""
    return test.inputs, processed.inputs


def primary_metric(predictions: Predictions) -> Metric:
    given = predictions.answers["reconstruction"].astype(np.float64)
    error = float(np.square(given - predictions.test.inputs / 255).mean())
    return Metric("mean_squared_error", round(error, 6), greater_is_better=False)


def evaluate(model: ReconstructionConfig, predictions: Predictions) -> TaskResult:
    given, images = predictions.answers["reconstruction"], predictions.test.inputs
    name, error, _ = primary_metric(predictions)
    shift = {"zeros": _change_by_zeros(predictions), "max_abs_diff": _difference_when_shifted(predictions)}
    return TaskResult(
        test={name: error},
        baseline={"mean_squared_error": predictions.evaluation_inputs.baseline_figures()["mean_squared_error"]},
        checks={
            name: Check(error, model.gates.mean_squared_error, at_least=False),
            "shift_of_zeros": Check(shift["zeros"], 0.0, at_least=False),
            "shift_parity": Check(shift["max_abs_diff"], model.gates.parity, at_least=False),
        },
        examples={"images": images[:SHOWN_PAIRS], "reconstructions": given[:SHOWN_PAIRS]},
        details={"code_shift": shift},
    )


def _change_by_zeros(predictions: Predictions) -> float:
    """The largest difference that a given shift of zeros makes."""
    unshifted = _shifted(predictions)
    return difference(_shifted(predictions, np.zeros_like(unshifted[CODE][:1])), unshifted)


def _difference_when_shifted(predictions: Predictions) -> float:
    """The largest difference from what the trained network decodes: of a shift for each row, and of one for all."""
    code = _shifted(predictions)[CODE]
    of_rows = np.random.default_rng(0).standard_normal(code.shape, dtype=np.float32)
    return max(
        difference(_shifted(predictions, shift), _decoded(predictions, code, shift)) for shift in (of_rows, of_rows[:1])
    )


def _shifted(predictions: Predictions, shift: NDArray[np.float32] | None = None) -> Answers:
    """What the file answers for some test images, and for a shift where there is one."""
    session = predictions.session
    names = [output.name for output in session.get_outputs()]
    given = {session.get_inputs()[0].name: predictions.test.inputs[:SHIFTED_ROWS]}
    if shift is not None:
        given[CODE_SHIFT] = shift
    return dict(zip(names, session.run(names, given), strict=True))


def _decoded(predictions: Predictions, code: NDArray[np.float32], shift: NDArray[np.float32]) -> Answers:
    assert isinstance(predictions.network, Autoencoder)
    with torch.inference_mode():
        images = predictions.network.decode(torch.from_numpy(code + shift))
    return {CODE: code, "reconstruction": images.numpy()}
