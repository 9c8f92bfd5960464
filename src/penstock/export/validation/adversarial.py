"""Generators: how far what they draw is from real images, in the eyes of a classifier of ours.

The Frechet distance of the judge's features (Heusel et al., 2017, arXiv:1706.08500) says how different the two sets
are, the shares of the classes whether one is forgotten, and the judge's confidence whether the images are clear.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.config.models import Adversarial
from penstock.data.datasets import Part
from penstock.data.processed import Split
from penstock.export.frechet import Statistics, class_shares, frechet_distance, impression
from penstock.export.parity import Answers, exported_answers, trained_answers
from penstock.export.session import open_model
from penstock.export.validation.evidence import Check, Evidence, Figure, Judgement
from penstock.networks import build_network
from penstock.networks.servable import Servable

SHOWN = 64
JUDGED_AT_ONCE = 256


def questions(test: Part, _processed: Split, network: Servable) -> tuple[NDArray[Any], NDArray[Any]]:
    """Noise, as many rows as there are test images; the file and the network take the same."""
    noise = _noise(len(test.labels), network)
    return noise, noise


def figure(evidence: Evidence) -> Figure:
    distance = _distance(evidence, _seen(evidence, evidence.answers["image"]))
    return Figure("frechet_distance", round(distance, 4), more_is_better=False)


def judge(model: Adversarial, evidence: Evidence) -> Judgement:
    drawn = _seen(evidence, evidence.answers["image"])
    untrained = _seen(evidence, _untrained_images(model, evidence))
    distance = _distance(evidence, drawn)
    ratio = distance / _distance(evidence, untrained)
    seen = impression(drawn["probabilities"])
    shares = zip(evidence.manifest.classes, class_shares(drawn["probabilities"]), strict=True)
    return Judgement(
        test={
            "frechet_distance": round(distance, 4),
            "frechet_ratio": round(ratio, 6),
            **seen,
            "class_shares": {name: round(float(share), 6) for name, share in shares},
        },
        baseline=evidence.material.baseline_figures(),
        checks={
            "frechet_ratio": Check(round(ratio, 6), model.gates.frechet_ratio, at_least=False),
            "class_share": Check(seen["smallest_class_share"], model.gates.class_share, at_least=True),
        },
        examples={"images": evidence.answers["image"][:SHOWN], **evidence.material.shown},
    )


def _seen(evidence: Evidence, images: NDArray[np.uint8]) -> Answers:
    """The judge's features and probabilities of images."""
    return exported_answers(open_model(evidence.material.baseline / "judge.onnx"), images, JUDGED_AT_ONCE)


def _distance(evidence: Evidence, seen: Answers) -> float:
    """From the judge's features of the real test images."""
    return frechet_distance(Statistics.of(seen["features"]), Statistics.load(evidence.material.baseline))


def _untrained_images(model: Adversarial, evidence: Evidence) -> NDArray[np.uint8]:
    """What the generator drew before it was trained, from the same noise."""
    with torch.random.fork_rng():
        torch.manual_seed(model.training.seed)
        untrained = build_network(model, evidence.manifest)
    images: NDArray[np.uint8] = trained_answers(untrained, _noise(len(evidence.test.labels), untrained))["image"]
    return images


def _noise(rows: int, network: Servable) -> NDArray[np.float32]:
    """Always the same, so that every generator is judged by the same questions."""
    return np.random.default_rng(0).standard_normal((rows, *network.takes.shape), dtype=np.float32)
