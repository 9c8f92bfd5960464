"""External data are read from beside the model only, and are part of its version."""

import os

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import PenstockError
from penstock.io.files import write_json
from penstock.serving.runtime.model import ServedModel, load_model
from penstock.serving.runtime.onnx_file import NotOnnxError, digest, external_files, read_external_data
from penstock.serving.runtime.repository import Repository
from tests.serving import tiny_models
from tests.serving.runtime.test_repository import watched

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
    validate(path)
    return load_model("m", path, path.with_name("validation.json"))


def validate(path):
    content = path.read_bytes()
    write_json(path.with_name("validation.json"), {"sha256": digest(content, read_external_data(path, content))})


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


def test_a_running_server_validates_data_that_changed_alone(tmp_path):
    path = saved(tmp_path / "model")
    validate(path)
    repository = Repository([path])
    repository.load()
    first = repository.get("model").version

    def change():
        path.with_name("model.onnx.data").write_bytes((WEIGHTS + 1).tobytes())

    watched(repository, change, lambda: repository.rejected)
    assert "not the file that was validated" in repository.rejected["model"]
    assert repository.get("model").version == first
    watched(repository, lambda: validate(path), lambda: repository.get("model").version != first)
    assert np.array_equal(answer(repository.get("model")), WEIGHTS + 1)
    assert not repository.rejected


@pytest.mark.parametrize("location", ["../model.onnx.data", "/etc/hostname", "sub/model.onnx.data", "", "a\0"])
def test_data_in_another_folder_are_rejected(tmp_path, location):
    with pytest.raises(PenstockError, match="must be a file beside the model"):
        load(saved(tmp_path, location=location))


def test_data_that_are_a_pipe_are_rejected(tmp_path):
    path = saved(tmp_path)
    path.with_name("model.onnx.data").unlink()
    os.mkfifo(path.with_name("model.onnx.data"))
    with pytest.raises(PenstockError, match="must be a file beside the model"):
        load(path)


def test_missing_data_are_named(tmp_path):
    path = saved(tmp_path)
    path.with_name("model.onnx.data").unlink()
    with pytest.raises(PenstockError, match=r"model\.onnx\.data: No such file"):
        load(path)


def external_tensor(location):
    return onnx.TensorProto(external_data=[onnx.StringStringEntryProto(key="location", value=location)])


def constant(tensor):
    return onnx.helper.make_node("Constant", [], ["c"], value=tensor)


def nested(node, depth):
    for _ in range(depth):
        node = onnx.helper.make_node("If", ["x"], ["y"], then_branch=onnx.GraphProto(node=[node]))
    return onnx.ModelProto(graph=onnx.GraphProto(node=[node]))


@pytest.mark.parametrize(
    "model",
    [
        onnx.ModelProto(graph=onnx.GraphProto(initializer=[external_tensor("w")])),
        onnx.ModelProto(
            graph=onnx.GraphProto(sparse_initializer=[onnx.SparseTensorProto(values=external_tensor("w"))])
        ),
        onnx.ModelProto(functions=[onnx.FunctionProto(node=[constant(external_tensor("w"))])]),
        nested(constant(external_tensor("w")), 5),
    ],
    ids=["initializer", "sparse initializer", "function", "subgraph"],
)
def test_external_data_are_found_anywhere(model):
    assert external_files(model.SerializeToString()) == ["w"]


def test_external_data_are_found_in_a_graph_that_comes_in_two_parts():
    """onnxruntime joins the parts, as all protobuf readers do."""
    parts = [onnx.GraphProto(name="g"), onnx.GraphProto(initializer=[external_tensor("w")])]
    content = b"".join(onnx.ModelProto(graph=part).SerializeToString() for part in parts)
    assert external_files(content) == ["w"]


@pytest.mark.parametrize(
    "content",
    [
        b"no model",
        nested(constant(external_tensor("w")), 5).SerializeToString()[:-1],
        b"\x3a\xff\xff\xff\xff\x7f",
        b"\x3a\x80" * 50,
    ],
    ids=["text", "cut", "size", "number"],
)
def test_damaged_files_are_rejected(content):
    with pytest.raises(NotOnnxError, match="not an ONNX file"):
        ServedModel("m", content)


def test_deeply_nested_graphs_are_rejected():
    content = b""
    for _ in range(400):
        for field in (b"\x32", b"\x2a", b"\x0a"):  # AttributeProto.g, NodeProto.attribute, GraphProto.node
            content = field + _varint(len(content)) + content
    with pytest.raises(NotOnnxError):
        ServedModel("m", b"\x3a" + _varint(len(content)) + content)


def _varint(value):
    return bytes([value & 0x7F | 0x80, *_varint(value >> 7)]) if value > 0x7F else bytes([value])


@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_rejected(content):
    try:
        assert isinstance(external_files(b"\x3a" + bytes([len(content)]) + content), list)
    except NotOnnxError as error:
        assert "not an ONNX file" in str(error)
