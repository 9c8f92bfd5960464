"""Autoencoders: how far what they give back is from what they were given, and that a shift of the code does what it
says (`penstock.export.shift`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.config.models import Reconstruction
from penstock.data.datasets import Part
from penstock.data.processed import Split
from penstock.export.parity import Answers, difference
from penstock.export.shift import CODE, CODE_SHIFT
from penstock.export.validation.evidence import Check, Evidence, Figure, Judgement
from penstock.networks.autoencoder import Autoencoder
from penstock.networks.servable import Servable

SHOWN_PAIRS = 12
SHIFTED_ROWS = 256


def questions(test: Part, processed: Split, _network: Servable) -> tuple[NDArray[Any], NDArray[Any]]:
    """The test split, raw for the file and processed for the network."""
    return test.inputs, processed.inputs


def figure(evidence: Evidence) -> Figure:
    given = evidence.answers["reconstruction"].astype(np.float64)
    error = float(np.square(given - evidence.test.inputs / 255).mean())
    return Figure("mean_squared_error", round(error, 6), more_is_better=False)


def judge(model: Reconstruction, evidence: Evidence) -> Judgement:
    given, images = evidence.answers["reconstruction"], evidence.test.inputs
    name, error, _ = figure(evidence)
    shift = {"zeros": _change_by_zeros(evidence), "max_abs_diff": _difference_when_shifted(evidence)}
    return Judgement(
        test={name: error},
        baseline={"mean_squared_error": evidence.material.baseline_figures()["mean_squared_error"]},
        checks={
            name: Check(error, model.gates.mean_squared_error, at_least=False),
            "shift_of_zeros": Check(shift["zeros"], 0.0, at_least=False),
            "shift_parity": Check(shift["max_abs_diff"], model.gates.parity, at_least=False),
        },
        examples={"images": images[:SHOWN_PAIRS], "reconstructions": given[:SHOWN_PAIRS]},
        details={"code_shift": shift},
    )


def _change_by_zeros(evidence: Evidence) -> float:
    """The largest difference that a given shift of zeros makes."""
    unshifted = _shifted(evidence)
    return difference(_shifted(evidence, np.zeros_like(unshifted[CODE][:1])), unshifted)


def _difference_when_shifted(evidence: Evidence) -> float:
    """The largest difference from what the trained network decodes: of a shift for each row, and of one for all."""
    code = _shifted(evidence)[CODE]
    of_rows = np.random.default_rng(0).standard_normal(code.shape, dtype=np.float32)
    return max(
        difference(_shifted(evidence, shift), _decoded(evidence, code, shift)) for shift in (of_rows, of_rows[:1])
    )


def _shifted(evidence: Evidence, shift: NDArray[np.float32] | None = None) -> Answers:
    """What the file answers for some test images, and for a shift where there is one."""
    session = evidence.session
    names = [output.name for output in session.get_outputs()]
    given = {session.get_inputs()[0].name: evidence.test.inputs[:SHIFTED_ROWS]}
    if shift is not None:
        given[CODE_SHIFT] = shift
    return dict(zip(names, session.run(names, given), strict=True))


def _decoded(evidence: Evidence, code: NDArray[np.float32], shift: NDArray[np.float32]) -> Answers:
    assert isinstance(evidence.network, Autoencoder)
    with torch.inference_mode():
        images = evidence.network.decode(torch.from_numpy(code + shift))
    return {CODE: code, "reconstruction": images.numpy()}
