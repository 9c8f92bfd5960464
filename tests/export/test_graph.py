"""Tests of the exported graph."""

import torch

from penstock.config.networks import AutoencoderConfig
from penstock.export.graph import Served, network_graph
from penstock.models.autoencoder import Autoencoder
from tests.models.documented import DATA


def test_builds_of_torch_for_cpu_and_cuda_write_the_same_bytes(monkeypatch):
    settings = AutoencoderConfig.model_validate(
        {"kind": "autoencoder", "hidden_sizes": [], "latent_dim": 5, "activation": "relu", "dropout": 0}
    )
    torch.manual_seed(0)
    network = Autoencoder(settings, DATA["mnist"]).eval()
    written = set()
    for build in ("2.13.0+cpu", "2.13.0+cu130"):
        monkeypatch.setattr("torch.__version__", build)
        graph = network_graph(Served(network), network.input_spec, network.outputs, recurrent=False)
        assert graph.producer_version == "2.13.0"
        written.add(graph.SerializeToString(deterministic=True))
    assert len(written) == 1
