"""Plain torch modules, one file per kind; `build_classifier` puts the right input layer before one of them.

Shape suffixes in this package: N rows of a batch, T steps of a sequence, D features of a step, H hidden width,
C classes; an image is [N, 1, height, width].
"""

from __future__ import annotations

from importlib import import_module

from torch import nn

from penstock.config import Convolutional, Mlp, Recurrent
from penstock.manifest import Manifest
from penstock.networks.classifier import Classifier, Loss, output_width
from penstock.networks.inputs import input_layer


def build_classifier(network: Mlp | Convolutional | Recurrent, manifest: Manifest, loss: Loss) -> Classifier:
    """The network of params.yaml for a processed dataset: one row of its arrays in, one row of logits out.

    Raises:
        WrongSettingError: the network does not take this kind of input, or the loss not this number of classes.
    """
    build = import_module(f"{__name__}.{network.kind}").build
    body: nn.Module = build(network, manifest, output_width(loss, manifest))
    return Classifier(input_layer(manifest), body)


def count_parameters(module: nn.Module) -> int:
    """Trainable numbers, as the documents count them: buffers such as a scaler's are not among them."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
