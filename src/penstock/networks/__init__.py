"""Plain torch modules, one file per kind; `build_network` puts the right input layer before one of them.

Shape suffixes in this package: N rows of a batch, T steps of a sequence, D features of a step, H hidden width,
G gates times H, K numbers of a code, C classes; an image is [N, 1, height, width].
"""

from __future__ import annotations

from importlib import import_module

from torch import nn

from penstock.config.models import Classification, Model
from penstock.config.networks import ReadsWords
from penstock.manifest import Manifest
from penstock.networks.classifier import Classifier, output_width
from penstock.networks.inputs import input_layer, seen_by, takes
from penstock.networks.servable import Servable


def build_network(model: Model, manifest: Manifest) -> Servable:
    """The network of a model in params.yaml for a processed dataset.

    Raises:
        WrongSettingError: the network does not take this kind of input, or the loss not this number of classes.
    """
    build = import_module(f"{__name__}.{model.network.kind}").build
    if not isinstance(model, Classification):
        whole: Servable = build(model.network, manifest)
        return whole
    network = model.network
    seen = seen_by(network.words, manifest) if isinstance(network, ReadsWords) else manifest
    body: nn.Module = build(network, seen, output_width(model.training.loss, manifest))
    return Classifier(takes(seen), input_layer(seen), body)
