"""The model repository parses with Triton's own schema and has only validated files."""

import shutil

import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from penstock.config.loading import load_config
from penstock.io.files import read_json, sha256
from tests.conftest import REPOSITORY, of_each_model

MODELS = load_config(REPOSITORY / "params.yaml").models
ELEMENTS = {
    triton.TYPE_FP32: "tensor(float)",
    triton.TYPE_UINT8: "tensor(uint8)",
    triton.TYPE_INT64: "tensor(int64)",
    triton.TYPE_STRING: "tensor(string)",
}


@pytest.fixture(scope="module")
def triton_repository(small_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("triton") / "repository"
    small_run.run("penstock", "package", "--triton", str(folder))
    return folder


def configuration(folder):
    return text_format.Parse((folder / "config.pbtxt").read_text(), triton.ModelConfig())


def shape_behind(tensor):
    """Return the shape that the model gets after Triton has added the rows."""
    return [None, *(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)]


@pytest.mark.parametrize("name", of_each_model(MODELS))
def test_triton_configurations_describe_the_validated_file(triton_repository, small_run, name):
    config = configuration(triton_repository / name)
    file = triton_repository / name / "1" / "model.onnx"
    assert sha256(file) == read_json(small_run.root / "models" / name / "validation.json")["sha256"]
    assert config.parameters["sha256"].string_value == sha256(file)
    assert (config.name, config.backend, config.max_batch_size) == (name, "onnxruntime", 256)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for tensors, nodes in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        told = [(tensor.name, ELEMENTS[tensor.data_type], shape_behind(tensor)) for tensor in tensors]
        assert told == [(node.name, node.type, [None, *node.shape[1:]]) for node in nodes]
        assert all(tensor.dims for tensor in tensors), "Triton wants at least one size beside the rows"


def test_triton_batches_without_a_delay(triton_repository):
    config = configuration(triton_repository / "imdb_lstm")
    assert config.HasField("dynamic_batching")
    assert config.dynamic_batching.max_queue_delay_microseconds == 0


def test_triton_does_not_batch_int8_models(triton_repository):
    """Rows of one batch would change each other's scale."""
    config = configuration(triton_repository / "imdb_lstm.int8")
    assert config.max_batch_size == 1
    assert not config.HasField("dynamic_batching")


def test_class_names_are_in_labels_txt(triton_repository):
    (labelled,) = [output for output in configuration(triton_repository / "iris_mlp").output if output.label_filename]
    labels = (triton_repository / "iris_mlp" / labelled.label_filename).read_text().splitlines()
    assert (labelled.name, labels) == ("probabilities", ["setosa", "versicolor", "virginica"])
    assert not (triton_repository / "mnist_gan/labels.txt").exists()


def test_only_a_changed_file_is_a_new_version(package, models, small_run, tmp_path):
    repository = tmp_path / "repository"
    for _ in range(2):
        package("--triton", repository)
    assert [path.name for path in (repository / "iris_mlp").iterdir() if path.is_dir()] == ["1"]
    shutil.rmtree(models / "iris_mlp")
    shutil.copytree(small_run.root / "models/mnist_cnn", models / "iris_mlp")
    package("--triton", repository)
    assert sha256(repository / "iris_mlp/2/model.onnx") == sha256(models / "iris_mlp/model.onnx")
    assert configuration(repository / "iris_mlp").input[0].name == "pixels"
    assert [path.name for path in (repository / "imdb_lstm").iterdir() if path.is_dir()] == ["1"]


def test_a_changed_file_is_not_packaged(package, models, tmp_path):
    path = models / "iris_mlp/model.onnx"
    path.write_bytes(path.read_bytes() + b"\x00")
    assert "not the file that was validated" in package("--triton", tmp_path / "repository").stdout
    assert not (tmp_path / "repository/iris_mlp").exists()
    assert (tmp_path / "repository/imdb_lstm").is_dir()
    named = package("iris_mlp", "--triton", tmp_path / "other", check=False)
    assert named.returncode == 1
    assert not (tmp_path / "other").exists()


def test_folders_with_other_content_are_not_touched(package, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    done = package("--triton", tmp_path / "mine", check=False)
    assert done.returncode == 2
    assert "did not write it; choose another folder" in done.stdout
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
