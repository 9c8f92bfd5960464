"""`penstock validate-onnx` runs a file as the server will, compares it with a reference, and writes its record."""

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from penstock.cli import main
from penstock.core.errors import PenstockError
from penstock.serving.runtime.sources import model_files
from tests.serving import third_party_models, tiny_models

ROWS = np.array([[1, 2], [3, 4]], np.float32)


@pytest.fixture
def double(tmp_path):
    """A model that doubles `numbers`."""
    return save(tmp_path, third_party_models.double("n", 2))


def save(folder, model):
    path = folder / "double.onnx"
    onnx.save(model, path)
    return path


def reference(path, **arrays):
    file = path.with_name("reference.npz")
    np.savez(file, **arrays)
    return ["--reference", str(file)]


def validate(capsys, path, *options):
    """Return the exit code, and the lines of output and errors."""
    try:
        main(["validate-onnx", str(path), *options])
    except SystemExit as error:
        code = error.code
    else:
        code = 0
    told = capsys.readouterr()
    return code, told.out.splitlines(), [line.removeprefix("error: ") for line in told.err.splitlines()]


def record(path):
    return path.with_suffix(".validation.json")


def is_served(path):
    try:
        model_files([path])["double"].load()
    except PenstockError:
        return False
    return True


def test_a_valid_file_gets_the_record_that_the_server_reads(double, capsys):
    assert not is_served(double)
    code, lines, _ = validate(capsys, double)
    assert code == 0
    assert lines[1:] == [
        "  input      numbers: FP32 [-1, 2]",
        "  output     doubled: FP32 [-1, 2]",
        "  made rows  run at batch 1, 3, 16",
        "  batching   rows are independent: requests share runs",
        f"{record(double)}: written; `penstock serve {double}` serves this file",
    ]
    assert is_served(double)
    double.write_bytes(double.read_bytes() + b"\x1a\x00")
    assert not is_served(double)


def test_a_model_in_its_folder_has_validation_json(tmp_path, capsys):
    folder = tmp_path / "double"
    folder.mkdir()
    onnx.save(third_party_models.double("n", 2), folder / "model.onnx")
    assert validate(capsys, folder)[0] == 0
    assert json.loads((folder / "validation.json").read_text())["batched"] is True
    assert is_served(folder)


def test_a_reference_that_agrees_is_noted(double, capsys):
    options = reference(double, numbers=ROWS, doubled=2 * ROWS.astype(np.float64))
    code, lines, _ = validate(capsys, double, *options)
    assert code == 0
    assert "  reference  doubled: 4 values agree, by up to 0" in lines
    assert json.loads(record(double).read_text())["reference"].keys() == {"sha256", "rtol", "atol"}


def test_a_reference_that_disagrees_withdraws_the_record(double, capsys):
    assert validate(capsys, double)[0] == 0
    options = reference(double, numbers=ROWS, doubled=2 * ROWS + [[0, 0], [0, 1]])
    code, _, errors = validate(capsys, double, *options)
    assert code == 1
    assert errors == [
        f"{options[1]}: doubled: 1 of 4 values differs, by up to 1; at [1, 1] the model has 8.0, the reference 9.0"
    ]
    assert not record(double).exists()


@pytest.mark.parametrize(("tolerances", "code"), [([], 1), (["--rtol", "0.01"], 0), (["--atol", "0.1"], 0)])
def test_tolerances_are_options(double, capsys, tolerances, code):
    options = reference(double, numbers=ROWS, doubled=2.01 * ROWS)
    assert validate(capsys, double, *options, *tolerances)[0] == code


def test_each_disagreement_is_a_line(tmp_path, capsys):
    model = third_party_models.lstm_with_states()
    path = save(tmp_path, model)
    steps = np.zeros((2, 5, 3), np.float32)
    options = reference(path, steps=steps, hidden=np.ones((1, 2, 4)), outputs=np.zeros((2, 5)))
    code, _, errors = validate(capsys, path, *options)
    assert code == 1
    shapes, values = (error.removeprefix(f"{options[1]}: ") for error in errors)
    assert shapes == "outputs: the model has the shape [2, 5, 4], the reference [2, 5]"
    assert values.startswith("hidden: 8 of 8 values differ, by up to 1")


def test_a_column_may_be_the_reference_of_a_list(tmp_path, capsys):
    """scikit-learn predicts [rows] where its ONNX file answers [rows, 1]."""
    path = save(tmp_path, third_party_models.double("n", 1))
    assert validate(capsys, path, *reference(path, numbers=ROWS[:, :1], doubled=2 * ROWS[:, 0]))[0] == 0


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"doubled": ROWS}, "the input 'numbers' is missing"),
        ({"numbers": ROWS}, "has no output of the model; add arrays named doubled"),
        ({"numbers": ROWS, "twice": ROWS}, "'twice' is no input (numbers) and no output (doubled) of the model"),
        ({"numbers": ROWS[:, :1], "doubled": ROWS}, "numbers: expected FP32 of shape [-1, 2], not [2, 1]"),
        (
            {"numbers": ROWS.astype(np.float64) + 0.1, "doubled": ROWS},
            "numbers: expected FP32 of shape [-1, 2]; save it as float32, since float64 has other values",
        ),
        ({"numbers": ROWS.astype(str), "doubled": ROWS}, "numbers: expected FP32 of shape [-1, 2], not <U"),
        ({"numbers": ROWS, "doubled": ROWS.astype(str)}, "doubled: the model has float32, the reference <U"),
        ({"numbers": ROWS.astype(object), "doubled": ROWS}, "Object arrays cannot be loaded"),
    ],
)
def test_arrays_that_are_no_reference_are_named(double, capsys, arrays, message):
    code, _, (error,) = validate(capsys, double, *reference(double, **arrays))
    assert code == 1
    assert message in error


def test_a_file_that_is_no_reference_is_refused(double, capsys):
    code, _, errors = validate(capsys, double, "--reference", str(double))
    assert (code, errors) == (1, [f"{double}: not an .npz file; write it by numpy.savez"])


def frozen():
    """A model that declares any number of rows, but takes one: an exporter wrote the size of its example."""
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    constants = {"shape": np.array([1, 2])}
    tensors = [("x", TensorProto.FLOAT, "n", 2)], [("y", TensorProto.FLOAT, None, None)]
    return third_party_models._model(nodes, *tensors, constants)


def without_shape():
    model = third_party_models.double("n", 2)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    return model


INVALID = {
    "frozen batch": (
        frozen,
        "takes any number of rows, but fails with 3; export it with a dynamic batch, or with a fixed",
    ),
    "no shape": (without_shape, "the input 'numbers' has no shape; export it with one"),
    "bfloat16": (tiny_models.bfloat16, "numbers: has type tensor(bfloat16), which is not served; cast it in the graph"),
}


@pytest.mark.parametrize("kind", INVALID)
def test_a_file_that_is_not_valid_is_named_in_one_line(tmp_path, capsys, kind):
    make, message = INVALID[kind]
    path = save(tmp_path, make())
    code, _, (error,) = validate(capsys, path)
    assert code == 1
    assert error.startswith(f"{path}: ")
    assert message in error
    assert not record(path).exists()


def test_what_the_checker_of_onnx_says_is_one_line(double, capsys):
    model = onnx.load(double)
    del model.graph.output[:]
    model.graph.node[0].input[0] = "missing"
    onnx.save(model, double)
    code, _, (error,) = validate(capsys, double)
    assert code == 1
    assert f"{double}: onnx.checker: " in error


def test_a_file_that_is_no_onnx_is_refused(double, capsys):
    double.write_bytes(b"no model")
    code, _, (error,) = validate(capsys, double)
    assert code == 1
    assert error.startswith(f"{double}: not an ONNX file")


def test_images_of_any_size_are_run_at_a_size_that_fits(tmp_path, capsys):
    """A convolution of 5 x 5 takes no image of 1 x 1."""
    nodes = [helper.make_node("Conv", ["x", "weights"], ["y"])]
    tensors = [("x", TensorProto.FLOAT, "n", 1, "h", "w")], [("y", TensorProto.FLOAT, "n", 1, "i", "j")]
    path = save(tmp_path, third_party_models._model(nodes, *tensors, {"weights": np.ones((1, 1, 5, 5), np.float32)}))
    code, lines, _ = validate(capsys, path)
    assert code == 0
    assert "  batching   one request at a time, since x has an open dimension besides the rows" in lines


def test_without_onnx_the_remedy_is_said(double, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, _, errors = validate(capsys, double)
    assert (code, errors) == (1, ["validate-onnx: needs onnx; install it by `pip install 'penstock[validate]'`"])


def test_the_models_of_a_project_are_validated_by_its_pipeline(tmp_path, capsys):
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").write_text("models: {double: {}}\n")
    tiny_models.save(tmp_path / "models", "double", third_party_models.double("n", 2))
    before = (tmp_path / "models/double/validation.json").read_bytes()
    code, _, (error,) = validate(capsys, tmp_path / "models/double")
    assert code == 1
    assert "the pipeline validates the models of its project; run `dvc repro`" in error
    assert (tmp_path / "models/double/validation.json").read_bytes() == before
