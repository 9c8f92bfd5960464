"""Files and folders that `penstock serve` takes: their names, and what is refused, in one line with its remedy."""

import os
import socket
import subprocess
import sys

import grpc
import httpx
import pytest
from onnx import TensorProto, helper

from penstock.cli import main
from penstock.io.files import write_bytes
from penstock.serving.grpc.messages import ModelMetadataRequest, ModelMetadataResponse
from penstock.serving.runtime.repository import Repository
from penstock.serving.runtime.sources import model_files, require_sources
from tests.helpers.processes import wait_until
from tests.serving import third_party_models
from tests.serving.runtime.test_external_data import saved
from tests.serving.server_process import serving


def save(path, model=None):
    write_bytes(path, (model or third_party_models.double("n", 2)).SerializeToString())
    return path


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with files and folders of models, in the folder of the user."""
    monkeypatch.chdir(tmp_path)
    for path in (
        "one.onnx",
        "two.v2.onnx",
        "three/model.onnx",
        "three/extra.onnx",
        ".being_written.onnx",
        "four/x.onnx",
    ):
        save(tmp_path / path)
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["one.onnx"], ["one"]),
        (["one.onnx", "two.v2.onnx"], ["one", "two.v2"]),
        (["three/model.onnx"], ["three"]),
        (["three"], ["three"]),
        (["four", "three/extra.onnx"], ["extra", "x"]),
        (["."], ["one", "three", "two.v2"]),
    ],
)
def test_models_have_the_names_of_their_files_or_folders(files, sources, names):
    paths = [type(files)(source) for source in sources]
    require_sources(paths)
    assert list(model_files(paths)) == names


def test_the_folder_of_a_model_may_be_the_working_directory(files, monkeypatch):
    monkeypatch.chdir(files / "three")
    assert list(model_files([type(files)(".")])) == list(model_files([type(files)("model.onnx")])) == ["three"]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["on.onnx"], "on.onnx: no such file or folder; did you mean 'one.onnx'?"),
        (["notes.txt"], "notes.txt: not an .onnx file; export the model to ONNX"),
        (["one.onnx", "other/one.onnx"], "other/one.onnx: its name is 'one', as that of one.onnx; rename one of them"),
        (
            ["one.onnx"],
            "one.onnx: not validated; run `penstock validate-onnx one.onnx`, or serve it by --allow-unvalidated",
        ),
        (["empty"], "empty: no validated models; run `penstock repro` to create them, or name an ONNX file"),
        (
            [],
            ": not in {} nor above it; run from inside a Penstock project (`penstock init` makes one), or name what to "
            "serve: `penstock serve FILE.onnx`",
        ),
    ],
)
def test_a_wrong_source_is_refused_in_one_line(files, capsys, sources, message):
    save(files / "other/one.onnx")
    (files / "notes.txt").write_text("no model")
    (files / "empty").mkdir()
    with pytest.raises(SystemExit, match="2"):
        main(["serve", *sources])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.removeprefix("error: ").removeprefix("params.yaml") == message.format(files.resolve())


def test_what_is_no_file_does_not_stop_the_others(files):
    os.mkfifo(files / "pipe.onnx")
    (files / "folder.onnx").mkdir()
    (files / "loop.onnx").symlink_to("loop.onnx")
    require_sources([files])
    repository = Repository([files], allow_unvalidated=True)
    repository.load()
    assert repository.names == ["one", "three", "two.v2"]
    assert "not a file" in repository.rejected["pipe"]


def test_the_same_file_may_be_named_twice(files):
    require_sources([files / "one.onnx", type(files)("one.onnx"), files])


def graph(node, takes=TensorProto.FLOAT, gives=None, rows="n", **model):
    gives = gives or helper.make_tensor_value_info("y", takes, None)
    graph = helper.make_graph([node], "refused", [helper.make_tensor_value_info("x", takes, [rows, 2])], [gives])
    opset = model.pop("opset", 20)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("my.domain", 1)]
    return helper.make_model(graph, opset_imports=opsets, **{"ir_version": 10} | model)


def sequence():
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    return graph(helper.make_node("SplitToSequence", ["x"], ["y"]), gives=helper.make_value_info("y", kind))


IDENTITY = helper.make_node("Identity", ["x"], ["y"])
REFUSED = {
    "domain": (
        graph(helper.make_node("Foo", ["x"], ["y"], domain="my.domain")),
        "it has no operator my.domain:Foo; export the model with operators of ONNX or onnxruntime only",
    ),
    "operator": (
        graph(helper.make_node("Foo", ["x"], ["y"])),
        "opset 20 has no operator Foo; export the model with operators of ONNX or onnxruntime only",
    ),
    "locale": (
        graph(
            helper.make_node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER", locale="xx_YY.UTF-8"),
            TensorProto.STRING,
            rows=1,
        ),
        "this system has no locale xx_YY.UTF-8; install it, or export the model with the locale C",
    ),
    "opset": (graph(IDENTITY, opset=99), "it has no opset 99; export the model with opset "),
    "format": (
        graph(IDENTITY, ir_version=99),
        "it has no IR version 99; update onnxruntime, or export the model with an",
    ),
    "kernel": (
        graph(helper.make_node("Add", ["x", "x"], ["y"]), TensorProto.BFLOAT16),
        "it has no Add for this type of tensor; export the model with float32",
    ),
    "type": (
        graph(IDENTITY, TensorProto.BFLOAT16),
        "x: has type tensor(bfloat16), which is not served; cast it in the graph to float, or to another type of the",
    ),
    "complex": (
        graph(IDENTITY, TensorProto.COMPLEX64),
        "it has no type tensor(complex64); export the model with float32",
    ),
    "input of size 0": (
        graph(IDENTITY, rows=0),
        "x: has shape [0, 2], which holds no value; export the model with a larger size or an open dimension in place",
    ),
    "output of size 0": (
        graph(
            helper.make_node("Constant", [], ["y"], value=helper.make_tensor("empty", TensorProto.FLOAT, [2, 0], []))
        ),
        "y: has shape [2, 0], which holds no value; export the model with a larger size or an open dimension in place",
    ),
    "sequence": (
        sequence(),
        "y: has type seq(tensor(float)), which is not served; export the model so that it takes and returns tensors",
    ),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """A repository that refuses all files but one."""
    folder = tmp_path_factory.mktemp("refused")
    for name, (model, _) in REFUSED.items():
        save(folder / f"{name}.onnx", model)
    save(folder / "good.onnx")
    saved(folder / "external", location="model.onnx.data").with_name("model.onnx.data").unlink()
    (folder / "no_model.onnx").write_bytes(b"no model")
    repository = Repository([folder], allow_unvalidated=True)
    repository.load()
    return repository


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused_with_its_reason_and_the_remedy(refused, name):
    assert refused.names == ["good"]
    assert REFUSED[name][1] in refused.rejected[name]


def test_reasons_are_one_line_without_folders_of_the_server(refused):
    assert refused.rejected.keys() == {*REFUSED, "external", "no_model"}
    (folder,) = refused.sources
    for reason in refused.rejected.values():
        assert "\n" not in reason
        assert str(folder) not in reason
    assert refused.rejected["external"].endswith("external/model.onnx.data: No such file or directory")
    assert "not an ONNX file" in refused.rejected["no_model"]


def properties(address, name):
    """Return the metadata over gRPC; tritonclient leaves them out."""
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelMetadata",
            request_serializer=ModelMetadataRequest.SerializeToString,
            response_deserializer=ModelMetadataResponse.FromString,
        )
        return ask(ModelMetadataRequest(name=name)).properties


def test_a_file_without_validation_is_served_by_an_option_that_is_told(tmp_path, capfd):
    path = save(tmp_path / "double.onnx")
    with serving(tmp_path, "double.onnx", "--allow-unvalidated") as served:
        metadata = httpx.get(f"{served.url}/v2/models/double").json()
        assert properties(served.grpc, "double")["validated"] == "false"
        assert metadata["parameters"]["validated"] == "false"
        main(["validate-onnx", str(path)])
        expected = {"validated": "true", "sha256": metadata["parameters"]["sha256"]}
        wait_until(lambda: httpx.get(f"{served.url}/v2/models/double").json()["parameters"] == expected)
    told = capfd.readouterr()
    assert "WARNING: double.onnx: is served without a validation, as --allow-unvalidated says" in told.err
    assert "NOT VALIDATED" in told.out


def test_serving_a_file_imports_neither_training_nor_the_validation(tmp_path):
    """The port is in use, so that the command ends once it has loaded the model."""
    main(["validate-onnx", str(save(tmp_path / "double.onnx"))])
    program = (
        "import sys\n"
        "for name in ('dvc', 'matplotlib', 'mlflow', 'onnx', 'pydantic', 'rich', 'sklearn', 'torch'):\n"
        "    sys.modules[name] = None\n"
        "from penstock.cli import main\n"
        "main(['serve', 'double.onnx', '--port', sys.argv[1]])\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-c", program, str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "in use" in line
