"""Test weights files: provenance, reproducible bytes, and rejection of other networks."""

import pytest
import torch
from torch import nn

from penstock.core.errors import MissingFileError
from penstock.io.provenance import Provenance
from penstock.io.weights import load_weights, read_provenance, read_shown, save_weights

PROVENANCE = Provenance(model="m", data="1.dir", parameters="2", code="3")


def test_weights_file_contains_provenance(tmp_path):
    path, layer, other = tmp_path / "weights.safetensors", nn.Linear(2, 3), nn.Linear(2, 3)
    save_weights(path, layer.state_dict(), PROVENANCE, {})
    assert load_weights(path, other) == read_provenance(path) == PROVENANCE
    assert torch.equal(layer.weight, other.weight)


def test_tensors_for_reports_are_not_loaded_as_weights(tmp_path):
    path, layer = tmp_path / "weights.safetensors", nn.Linear(2, 3)
    save_weights(path, layer.state_dict(), PROVENANCE, {"samples": torch.arange(3)})
    load_weights(path, nn.Linear(2, 3))
    assert {name: tensor.tolist() for name, tensor in read_shown(path).items()} == {"samples": [0, 1, 2]}


def test_equal_weights_give_equal_bytes(tmp_path):
    layer = nn.Linear(2, 3)
    for name in ("one", "two"):
        save_weights(tmp_path / name, layer.state_dict(), PROVENANCE, {})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_weights_of_another_network_are_rejected(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, nn.Linear(2, 3).state_dict(), PROVENANCE, {})
    with pytest.raises(MissingFileError, match="not the weights of this network"):
        load_weights(path, nn.Linear(3, 3))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(MissingFileError, match="not the weights of this network"):
        read_provenance(path)
    with pytest.raises(MissingFileError, match="no such file"):
        read_provenance(tmp_path / "other")
