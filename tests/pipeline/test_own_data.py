"""Data of one's own go from a file to a served answer by the commands of docs/your-own-data.md."""

import io
import re
import shlex

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from sklearn.datasets import load_diabetes, load_wine

from benchmarks.own_tables import write_csv
from penstock.io.files import read_json

pytestmark = pytest.mark.pipeline


def commands_of(page):
    """Return the commands of a page of the documentation."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_the_commands_of_the_guide_take_wine_from_a_file_to_an_answer(changed_run, repository):
    write_csv(changed_run.root / "wine.csv", load_wine())
    shown = [changed_run.run(*command).stdout for command in commands_of(repository / "docs/your-own-data.md")]
    assert "the exported file agrees at batch 1, 3, 32" in shown[2]
    assert shown[4].count("class_0") >= 59
    report = read_json(changed_run.root / "reports/wine_tabular/validation.json")
    assert report["test"]["accuracy"] >= 0.9
    assert report["parity"]["agreement"] == 1

    path = changed_run.root / "models/wine_tabular/model.onnx"
    inputs = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_inputs()
    assert [(one.name, one.shape) for one in inputs[:2]] == [("alcohol", ["batch"]), ("malic_acid", ["batch"])]
    rows = (changed_run.root / "wine.csv").read_text().splitlines()
    given = [f"{name}={value}" for name, value in zip(rows[0].split(","), rows[1].split(","), strict=True)][:-1]
    assert changed_run.run("penstock", "predict", "wine_tabular", *given).stdout.startswith("class_0\n")


@pytest.mark.slow
def test_a_regression_is_trained_validated_and_compared(changed_run):
    write_csv(changed_run.root / "diabetes.csv", load_diabetes())
    changed_run.run("penstock", "new", "dataset", "diabetes", "--from", "diabetes.csv")
    changed_run.run("dvc", "repro", "register@diabetes_tabular")
    report = read_json(changed_run.root / "reports/diabetes_tabular/validation.json")
    assert report["test"]["r2"] > report["baseline"]["r2"] - 0.01
    compared = changed_run.run("penstock", "compare", "diabetes_tabular", "diabetes_tabular.int8").stdout
    assert "unexplained variance" in compared


def coloured(colour, size, random):
    """Return a picture of noise in one colour, as PNG."""
    content = io.BytesIO()
    pixels = random.integers(0, 80, (*size, 3)) + np.eye(3)[colour] * 150
    Image.fromarray(pixels.astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


def test_a_folder_of_colour_images_becomes_a_file_that_takes_rgb(changed_run):
    random = np.random.default_rng(0)
    for place in range(90):
        file = changed_run.root / "pictures" / ("red", "green", "blue")[place % 3] / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(coloured(place % 3, (12, 16), random))
    changed_run.run("penstock", "new", "dataset", "pictures", "--from", "pictures")
    changed_run.run("dvc", "repro", "register@pictures_convolutional")
    report = read_json(changed_run.root / "reports/pictures_convolutional/validation.json")
    assert report["test"]["accuracy"] == 1
    (taken,) = onnxruntime.InferenceSession(
        changed_run.root / "models/pictures_convolutional/model.onnx", providers=["CPUExecutionProvider"]
    ).get_inputs()
    assert (taken.name, taken.type, taken.shape) == ("pixels", "tensor(uint8)", ["batch", 12, 16, 3])
    answer = changed_run.run("penstock", "predict", "pictures_convolutional", "pictures/red/0.png").stdout
    assert answer.startswith("red\n")
