"""Autoencoders: how far what they give back is from what they were given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.models import Reconstruction
from penstock.data.datasets import Part
from penstock.data.processed import Split
from penstock.export.validation.evidence import Check, Evidence, Judgement
from penstock.networks.servable import Servable

SHOWN_PAIRS = 12


def questions(test: Part, processed: Split, _network: Servable) -> tuple[NDArray[Any], NDArray[Any]]:
    """The test split, raw for the file and processed for the network."""
    return test.inputs, processed.inputs


def judge(model: Reconstruction, evidence: Evidence) -> Judgement:
    given, images = evidence.answers["reconstruction"], evidence.test.inputs
    error = float(np.square(given.astype(np.float64) - images / 255).mean())
    return Judgement(
        test={"mean_squared_error": round(error, 6)},
        baseline={"mean_squared_error": evidence.material.baseline_figures()["mean_squared_error"]},
        checks={"mean_squared_error": Check(round(error, 6), model.gates.mean_squared_error, at_least=False)},
        examples={"images": images[:SHOWN_PAIRS], "reconstructions": given[:SHOWN_PAIRS]},
    )
