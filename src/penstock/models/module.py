"""A network of one's own: `network: {kind: module, path: my_models.py:build, hidden: 32}` in params.yaml.

docs/your-own-code.md describes what the function or class gets and returns.
"""

from __future__ import annotations

import inspect

import torch
from torch import nn

from penstock.config.networks import ModuleConfig
from penstock.core.errors import OwnCodeError, WrongSettingError
from penstock.core.own_code import load_object, own_errors
from penstock.core.paths import Project
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.base import InputSpec
from penstock.models.common.inputs import input_spec

ROWS = 2  # of the batch that a network is tried on


def build(settings: ModuleConfig, info: DatasetInfo, outputs: int) -> nn.Module:
    """Build a network from the features of the input layer, [N, ...], to float32 [N, outputs].

    Raises:
        OwnCodeError: The code is missing or wrong: file, line and problem.
        WrongSettingError: The function does not take these settings.
    """
    root = Project.find().root
    make = load_object(root, settings.file, settings.name, settings.code)
    inputs = features(info)
    with own_errors(root, settings.file):
        signature = inspect.signature(make)
    try:
        signature.bind(inputs, outputs, **settings.settings)
    except TypeError as error:
        raise WrongSettingError(
            "network", f"{settings.file}: {settings.name}(inputs, outputs, **settings): {error}"
        ) from None
    with own_errors(root, settings.path):
        network = make(inputs, outputs, **settings.settings)
    if not isinstance(network, nn.Module):
        raise OwnCodeError(f"{settings.path}: returns {_article(network)}, not an nn.Module")
    with own_errors(root, settings.path):
        _require_outputs(settings.path, network, inputs, outputs)
    return network


def features(info: DatasetInfo) -> InputSpec:
    """Describe the features that the input layer gives: what a network of one's own reads."""
    spec = input_spec(info)
    if info.kind != "image":
        return spec
    channels = info.shape[2:] or (1,)
    return InputSpec(spec.name, (*channels, *info.shape[:2]), torch.float32)


def _require_outputs(path: str, network: nn.Module, inputs: InputSpec, outputs: int) -> None:
    """Run a batch of zeros through the network, which it does not change, and compare the shape.

    Raises:
        OwnCodeError: The network returns something else than float32 [N, outputs].
    """
    modes = {module: module.training for module in network.modules()}
    network.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        found = network(inputs.example(ROWS))
    for module, mode in modes.items():
        module.training = mode
    if not isinstance(found, torch.Tensor):
        raise OwnCodeError(f"{path}: forward returns {_article(found)}, not a tensor [N, {outputs}]")
    if found.shape != (ROWS, outputs) or found.dtype != torch.float32:
        raise OwnCodeError(
            f"{path}: forward returns {_described(found)} for features {list(inputs.example(ROWS).shape)}; expected is "
            f"float32 [{ROWS}, {outputs}]"
        )


def _described(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _article(value: object) -> str:
    return "None" if value is None else f"an object of class {type(value).__name__}"
