"""Build the LightningModule of a model in params.yaml."""

from __future__ import annotations

from importlib import import_module

from penstock.config.models import ModelConfig
from penstock.io.dataset_info import DatasetInfo
from penstock.training.module import BaseModule


def build_module(model: ModelConfig, info: DatasetInfo) -> BaseModule:
    """Build the module that `task` names, with a fresh network.

    Raises:
        WrongSettingError: Network, loss and dataset are incompatible.
    """
    module: BaseModule = import_module(f"penstock.tasks.{model.task}.module").build(model, info)
    return module
