"""A mixed table becomes one file that stock onnxruntime, the server and `penstock predict --csv` answer alike."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import urllib.request
from typing import Annotated

import mlflow
import numpy as np
import onnxruntime
import pytest
import torch
from mlflow import MlflowClient
from pydantic import Field, TypeAdapter

from penstock.cli import main
from penstock.config.data import DatasetConfig
from penstock.config.models import ModelConfig
from penstock.core.paths import Project
from penstock.data.preprocessing.preprocess import preprocess
from penstock.data.sources.read import read_dataset
from penstock.data.sources.rows import by_column
from penstock.evaluation.example_inputs import example_arrays, read_example_inputs
from penstock.evaluation.parity import agreement, in_deviations, max_abs_diff, network_outputs
from penstock.evaluation.session import onnx_outputs, open_session
from penstock.export.graph import export
from penstock.export.quantize import write_int8
from penstock.io.files import write_arrays
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import Provenance
from penstock.models.common.build import build_network
from penstock.models.common.fitted import FittedLayer
from penstock.registry.registration import VersionContent, register_version
from penstock.reporting.snippet import snippet
from tests.serving.server_process import serving

TOWNS = [f"town {number}" for number in range(50)]
TARGETS = {
    "regression": {"kind": "number", "columns": ["price", "rent"], "unit": "EUR"},
    "multilabel": {"kind": "labels", "columns": ["old", "large"]},
    "classification": {"kind": "class", "column": "kind", "classes": ["flat", "house", "hut"]},
}
# Names with a blank, a dot, a script other than Latin, and one that is inside the graph of every network.
COLUMNS = {
    "living area": {"kind": "number", "required": True, "unit": "m2", "description": "Of all rooms."},
    "val_0": {"kind": "number"},
    "straße.ort": {"kind": "category", "values": TOWNS},
    "heated": {"kind": "boolean"},
    "since": {"kind": "date"},
}


def houses(rows):
    """Content of a CSV file with missing values."""
    random = np.random.default_rng(0)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([*COLUMNS, "price", "rent", "old", "large", "kind"])
    for row in range(rows):
        area, floor = random.uniform(20, 300), random.integers(0, 9)
        day = np.datetime64("1990-01-01") + random.integers(0, 12_000)
        values = [f"{area:.1f}", floor, random.choice(TOWNS), random.choice(["true", "false"]), day]
        inputs = [value if column == 0 or random.random() > 0.1 else "" for column, value in enumerate(values)]
        kind = ["flat", "house", "hut"][row % 3]
        writer.writerow([*inputs, round(area * 3e5), round(area * 8), row % 2, int(area > 100), kind])
    return file.getvalue().encode()


def settings(target):
    return DatasetConfig.model_validate(
        {
            "folder": "here",
            "files": {"houses.csv": {"bytes": 1, "sha256": "0" * 64}},
            "description": "a house",
            "behaviour": {},
            "source": {"kind": "csv", "parts": {"all": "houses.csv"}},
            "inputs": {"kind": "columns", "columns": COLUMNS},
            "target": target,
            "split": {"test": 0.3, "validation": 0.2, "seed": 1},
            "checks": {"rows": {"all": 900}, "columns": {name: {"missing": 0.2} for name in list(COLUMNS)[1:]}},
        }
    )


def model(task, network):
    gates = {"regression": {"r2": 0}, "multilabel": {"macro_f1": 0}, "classification": {"accuracy": 0}}
    training = {"epochs": 1, "batch_size": 32, "optimizer": {"kind": "adam", "learning_rate": 0.001}}
    loss = {"classification": "cross_entropy", "regression": "mean_squared_error", "multilabel": "binary_cross_entropy"}
    return TypeAdapter(Annotated[ModelConfig, Field(discriminator="task")]).validate_python(
        {
            "task": task,
            "dataset": "houses",
            "baseline": "some",
            "reference": ["none"],
            "int8": {"serve": False, "reason": "worse"},
            "network": network,
            "training": training | {"loss": loss[task]},
            "gates": gates[task],
        }
    )


class Exported:
    """A network of random weights, whose statistics are those of the training rows, and its file."""

    def __init__(self, folder, task, network):
        self.path = folder / "models" / "houses" / "model.onnx"
        (folder / "houses.csv").write_bytes(houses(900))
        described = settings(TARGETS[task])
        preprocess("houses", described, raw=folder, folder=folder / "processed")
        self.processed = ProcessedDataset(folder / "processed")
        torch.manual_seed(0)
        of_task = model(task, network)
        self.network = build_network(of_task, self.processed.info).eval()
        train = self.processed.split("train")
        inputs, labels = (torch.from_numpy(np.array(one)) for one in (train.inputs, train.labels))
        for layer in self.network.modules():
            if isinstance(layer, FittedLayer):
                layer.fit(inputs, labels)
        self.path.parent.mkdir(parents=True)
        export("houses", of_task, self.network, self.processed, Provenance("houses", "d", "p", "c"), self.path)
        test = read_dataset(described, folder)["all"][self.processed.rows("test")]
        self.raw, self.labels = test.inputs, test.labels
        self.session = open_session(self.path)


CSV = """\
living area,val_0,straße.ort,heated,since
80,3,town 17,true,2001-02-03
80,,,,
80,3,no town of the data,false,2001-02-03
"""


@pytest.fixture(scope="module", params=TARGETS)
def exported(request, tmp_path_factory):
    return Exported(tmp_path_factory.mktemp(request.param), request.param, {"kind": "mlp", "hidden_sizes": [8]})


@pytest.mark.parametrize("batch_size", [1, 3, 7, 256])
def test_the_file_answers_all_test_rows_as_the_network(exported, batch_size):
    trained = network_outputs(exported.network, exported.processed.split("test").inputs)
    found = onnx_outputs(exported.session, exported.raw, batch_size)
    assert max_abs_diff(*(in_deviations(one, exported.network) for one in (found, trained))) <= 1e-4
    if trained.keys() & {"label", "labels"}:
        assert agreement(found, trained) == 1


def test_the_int8_file_takes_the_same_columns(exported):
    path = exported.path.with_name("model.int8.onnx")
    write_int8(path, exported.path)
    session = open_session(path)
    assert [one.name for one in session.get_inputs()] == list(COLUMNS)
    exact, int8 = (onnx_outputs(one, exported.raw, 1) for one in (exported.session, session))
    assert max_abs_diff(*(in_deviations(one, exported.network) for one in (exact, int8))) < 0.5


def test_the_metadata_describe_inputs_and_outputs(exported):
    metadata = exported.session.get_modelmeta().custom_metadata_map
    area, floor, town, heated, since = json.loads(metadata["columns"])
    low, high = area.pop("range")
    assert 20 <= low < area.pop("example") < high <= 300
    expected = {"name": "living area", "kind": "number", "unit": "m2", "description": "Of all rooms."}
    assert area == expected
    assert (floor["missing"], heated["missing"], since["missing"]) == ("NaN", "", "")
    assert town["categories"] == TOWNS
    assert "1990-01-01" < since["example"] < "2022-11-09"
    if "prediction" in exported.network.outputs:
        assert json.loads(metadata["targets"]) == [{"name": name, "unit": "EUR"} for name in ("price", "rent")]
    else:
        names = {"label": ["flat", "house", "hut"], "labels": ["old", "large"]}
        assert json.loads(metadata["classes"]) == names[exported.network.outputs[-1]]


def test_example_rows_are_read_as_they_were_written(exported, tmp_path):
    write_arrays(tmp_path / "examples.npz", example_arrays(exported.raw[:3]))
    found = read_example_inputs(tmp_path / "examples.npz")
    assert found.dtype == exported.raw.dtype
    for name, values in by_column(exported.raw[:3]).items():
        np.testing.assert_array_equal(found[name], values)


def test_the_code_of_the_model_card_runs_beside_the_file(exported, tmp_path):
    files = Project(tmp_path).model("houses", "models")
    write_arrays(files.examples, example_arrays(exported.raw[:3]))
    code = snippet(exported.session, files)
    assert subprocess.check_output([sys.executable, "-c", code], cwd=exported.path.parent).strip()


@pytest.mark.parametrize("exported", ["regression"], indirect=True, scope="module")
def test_mlflow_registers_the_file_with_a_signature_of_its_columns(exported, tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.create_experiment("houses", artifact_location=(tmp_path / "mlruns").as_uri())
    run_id = client.create_run(experiment).info.run_id
    content = VersionContent(
        name="houses",
        path=exported.path,
        sha256=hashlib.sha256(exported.path.read_bytes()).hexdigest(),
        example=exported.raw[:3],
        provenance=Provenance("houses", "d", "p", "c"),
    )
    version = register_version(client, run_id, content)
    source = client.get_model_version("houses", version.version).source
    assert source
    info = mlflow.models.get_model_info(source)
    assert info.signature.inputs.input_names() == list(COLUMNS)
    assert info.signature.outputs.input_names() == ["prediction"]


def post(url, content):
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(content).encode())) as answer:
        return json.load(answer)


def test_the_server_and_predict_answer_missing_and_unseen_values_as_the_file(exported, tmp_path, monkeypatch, capsys):
    (name, *_) = exported.network.outputs
    rows = np.array(
        [
            (80.0, 3.0, "town 17", "true", "2001-02-03"),
            (80.0, np.nan, "", "", ""),
            (80.0, 3.0, "no town of the data", "false", "2001-02-03"),
        ],
        dtype=exported.raw.dtype,
    )
    stock = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    expected = stock.run([name], by_column(rows))[0]
    assert len(np.unique(expected, axis=0)) == 3
    digest = hashlib.sha256(exported.path.read_bytes()).hexdigest()
    (exported.path.parent / "validation.json").write_text(json.dumps({"sha256": digest}))
    whole = {"living area": 80, "val_0": 3, "straße.ort": "town 17", "heated": "true", "since": "2001-02-03"}
    with serving(tmp_path, str(exported.path.parent.parent)) as served:
        url = f"{served.url}/predict/houses"
        answers = [
            post(url, whole),
            post(url, {"living area": 80, "val_0": None}),
            post(url, whole | {"straße.ort": "no town of the data", "heated": "false"}),
        ]
    for answer, of_file in zip(answers, expected, strict=True):
        np.testing.assert_allclose(_numbers(answer, name), of_file, rtol=1e-5)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(CSV)
    capsys.readouterr()
    main(["predict", "--csv", "rows.csv", str(exported.path)])
    printed = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    columns = [key for key in printed[0] if key not in {*COLUMNS, "label", "labels"}]
    assert len(columns) == expected.shape[1]
    found = [[float(row[key]) for key in columns] for row in printed]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def _numbers(answer, name):
    found = answer[name]
    return list(found.values()) if isinstance(found, dict) else found


def test_a_column_with_the_name_of_an_output_is_rejected():
    content = settings(TARGETS["regression"]).model_dump()
    content["inputs"]["columns"]["prediction"] = {"kind": "number"}
    with pytest.raises(ValueError, match="an output of the exported file has this name"):
        DatasetConfig.model_validate(content)
