"""External data are read from beside the model only, and are part of its version."""

import numpy as np
import onnx
import pytest

from penstock.core.errors import PenstockError
from penstock.io.files import write_json
from penstock.serving.runtime.model import load_model
from penstock.serving.runtime.onnx_file import digest, read_external_data
from tests.serving import tiny_models

WEIGHTS = np.arange(1024, dtype=np.float32)


def saved(folder, weights=WEIGHTS, location="model.onnx.data"):
    """Save a model that adds external weights to `numbers`, float32 [rows, 1024]."""
    folder.mkdir(parents=True, exist_ok=True)
    model = tiny_models._model(
        [onnx.helper.make_node("Add", ["numbers", "weights"], ["sum"])],
        ("numbers", onnx.TensorProto.FLOAT, 1024),
        [("sum", onnx.TensorProto.FLOAT, 1024)],
        {"weights": weights},
    )
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    path = folder / "model.onnx"
    if location != "model.onnx.data":
        external = onnx.load(path, load_external_data=False)
        external.graph.initializer[0].external_data[0].value = location
        path.write_bytes(external.SerializeToString())
    return path


def load(path):
    content = path.read_bytes()
    write_json(path.with_name("validation.json"), {"sha256": digest(content, read_external_data(path, content))})
    return load_model("m", path, path.with_name("validation.json"))


def answer(model):
    return model.run({"numbers": np.zeros((1, 1024), np.float32)})["sum"][0]


def test_external_data_are_read_from_beside_the_model(tmp_path, monkeypatch):
    path = saved(tmp_path / "model")
    saved(tmp_path / "elsewhere", WEIGHTS + 1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert np.array_equal(answer(load(path)), WEIGHTS)


def test_other_data_are_another_version(tmp_path):
    one, other = load(saved(tmp_path / "one")), load(saved(tmp_path / "other", WEIGHTS + 1))
    assert (tmp_path / "one/model.onnx").read_bytes() == (tmp_path / "other/model.onnx").read_bytes()
    assert one.version != other.version
    assert np.array_equal(answer(other), WEIGHTS + 1)


def test_data_that_changed_after_the_validation_are_rejected(tmp_path):
    path = saved(tmp_path)
    load(path)
    path.with_name("model.onnx.data").write_bytes((WEIGHTS + 1).tobytes())
    with pytest.raises(PenstockError, match="not the file that was validated"):
        load_model("m", path, path.with_name("validation.json"))


@pytest.mark.parametrize("location", ["../model.onnx.data", "/etc/hostname", "sub/model.onnx.data"])
def test_data_in_another_folder_are_rejected(tmp_path, location):
    with pytest.raises(PenstockError, match="must be a file beside the model"):
        load(saved(tmp_path, location=location))


def test_missing_data_are_named(tmp_path):
    path = saved(tmp_path)
    path.with_name("model.onnx.data").unlink()
    with pytest.raises(PenstockError, match=r"model\.onnx\.data: No such file"):
        load(path)
