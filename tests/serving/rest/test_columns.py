"""/predict of models with a named input per column, of several labels, of numbers, and of images in colour."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image

from penstock.serving.rest.openapi import openapi_document
from penstock.serving.runtime.model import ServedModel
from tests.serving import table_models, third_party_models, tiny_models
from tests.serving.server_process import serving
from tests.serving.table_models import PENGUIN


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for make in (
        table_models.penguins,
        table_models.body_mass,
        table_models.two_targets,
        table_models.topics,
        table_models.switches,
        table_models.visits,
        third_party_models.mean,
        tiny_models.echo,
    ):
        tiny_models.save(folder, make.__name__, make())
    tiny_models.save(folder, "colours", table_models.colours(tmp_path_factory.mktemp("torch")))
    with serving(folder, str(folder)) as running:
        yield running.url


def predict(url, model, row):
    return httpx.post(f"{url}/predict/{model}", json=row)


def test_a_row_is_an_object_of_columns(url):
    answer = predict(url, "penguins", PENGUIN).json()
    assert answer["label"] == "Adelie"
    assert list(answer["probabilities"]) == table_models.SPECIES
    as_lists = {name: [value] for name, value in PENGUIN.items()}
    assert predict(url, "penguins", as_lists).json()["probabilities"] == answer["probabilities"]


def test_missing_values_are_those_of_the_metadata(url):
    incomplete = PENGUIN | {"body_mass": None}
    del incomplete["sex"]
    answer = predict(url, "penguins", incomplete).json()
    complete = predict(url, "penguins", PENGUIN | {"sex": "unknown"}).json()
    assert answer["label"] == "Adelie"
    assert answer["probabilities"] != complete["probabilities"]
    assert predict(url, "penguins", incomplete | {"sex": "unknown"}).json()["probabilities"] == answer["probabilities"]


def test_a_list_of_rows_is_answered_row_by_row(url):
    rows = [PENGUIN, PENGUIN | {"bill_length": 48.0, "island": "Biscoe", "body_mass": 5200}, PENGUIN | {"sex": None}]
    answer = predict(url, "penguins", {"instances": rows}).json()
    assert [one["label"] for one in answer["predictions"]] == ["Adelie", "Gentoo", "Adelie"]
    for row, one in zip(rows, answer["predictions"], strict=True):
        alone = predict(url, "penguins", row).json()["probabilities"]
        assert one["probabilities"] == pytest.approx(alone, abs=1e-6)
    assert answer["milliseconds"] > 0
    assert answer["model_version"]


def test_a_list_of_rows_of_other_models(url):
    texts = predict(url, "echo", {"instances": [{"text": "a"}, {"text": "b"}]}).json()
    assert texts["predictions"] == [{"same": "a"}, {"same": "b"}]
    many = {"instances": [{"X": [1, 0, 0]}] * 5000}  # parsed in another process
    assert len(predict(url, "two_targets", many).json()["predictions"]) == 5000


def test_columns_of_every_type(url):
    row = {"on": True, "count": 3, "since": "2026-11-29", "note": "é"}
    answer = predict(url, "switches", row).json()
    assert {name: answer[f"same_{name}"] for name in row} == row


def test_true_and_false_in_json_are_those_of_a_column_of_texts(url):
    rows = [{"smoker": value} for value in (True, False, "true", None)] + [{"smoker": [True]}, {}]
    answer = predict(url, "visits", {"instances": rows}).json()
    assert [one["same_smoker"] for one in answer["predictions"]] == ["true", "false", "true", "", "true", ""]
    assert predict(url, "visits", {"smoker": True}).json()["same_smoker"] == "true"
    assert "island: expected a text, not true" in predict(url, "visits", {"island": True}).json()["error"]


def test_openapi_shows_examples_of_texts_and_that_booleans_may_be_json():
    model = ServedModel("visits", table_models.visits().SerializeToString())
    row = openapi_document({"visits": model}, auth=False)["components"]["schemas"]["Row"]["properties"]
    smoker, since, island = (row[name]["anyOf"][0] for name in ("smoker", "since", "island"))
    assert (smoker["type"], smoker["examples"]) == (["boolean", "string"], ["false", "true"])
    assert (since["type"], since["examples"]) == ("string", ["2026-11-29"])
    assert island["examples"] == [*table_models.ISLANDS, "none"]


def test_labels_of_a_multi_label_model(url):
    answer = predict(url, "topics", {"signs": [1, -1]}).json()
    assert answer["labels"] == ["sport"]
    assert list(answer["probabilities"]) == ["sport", "music", "film"]
    none = predict(url, "topics", {"instances": [{"signs": [-1, -1]}, {"signs": [1, 1]}]}).json()["predictions"]
    assert [one["labels"] for one in none] == [[], ["sport", "music"]]


def test_a_regression_answers_numbers(url):
    assert predict(url, "two_targets", {"X": [1, 2, 3]}).json()["prediction"] == pytest.approx([6, 1], abs=1e-3)
    assert predict(url, "body_mass", {"bill_length": 40, "island": "Dream"}).json()["variable"] == pytest.approx(
        [4000], rel=1e-3
    )


@pytest.mark.parametrize("size", [8, 3, 100])
def test_an_image_in_colour_of_any_size(url, size):
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[..., 1] = 200
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    image, headers = file.getvalue(), {"Content-Type": "image/png"}
    assert httpx.post(f"{url}/predict/colours", content=image, headers=headers).json()["label"] == "green"
    assert httpx.post(f"{url}/explain/colours", content=image, headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("model", "row", "says"),
    [
        ("penguins", PENGUIN | {"bill_length": "long"}, "bill_length: expected a number, not 'long'"),
        ("penguins", PENGUIN | {"bill_length": True}, "bill_length: expected a number, not true"),
        ("penguins", PENGUIN | {"bill_length": 1e39}, "bill_length: expected a number, not 1e+39"),
        ("penguins", PENGUIN | {"island": 3}, "island: expected a text, not 3"),
        ("penguins", {"body_mass": 3750}, "missing: bill_length, island; expected {"),
        ("penguins", PENGUIN | {"island": None}, "missing: island; expected {"),
        ("penguins", PENGUIN | {"bill_lenght": 39.1}, "no column 'bill_lenght'; did you mean 'bill_length'?"),
        ("penguins", {"instances": [PENGUIN, PENGUIN | {"sex": 1}]}, "instances[1]: sex: expected a text, not 1"),
        ("penguins", {"instances": [PENGUIN, {}]}, "instances[1]: missing: bill_length, island"),
        ("penguins", {"instances": []}, "instances: expected a list of rows, each {"),
        ("penguins", {"instances": [3]}, "instances[0]: expected {"),
        ("penguins", {"instances": [PENGUIN], "sex": "male"}, "'sex': not beside instances"),
        ("switches", {"on": 1, "count": 3, "since": "", "note": ""}, "on: expected true or false, not 1"),
        ("switches", {"on": True, "count": 3.5, "since": "", "note": ""}, "count: expected an integer of type INT64"),
        ("mean", {"instances": [{"numbers": [1, 2]}]}, "instances: mean runs each request whole; send one row per"),
        ("two_targets", {"instances": [{"X": [1, 2]}]}, "instances[0]: X: expected FP32 of shape [-1, 3], not [1, 2]"),
    ],
)
def test_errors_name_the_column(url, model, row, says):
    response = predict(url, model, row)
    assert response.status_code == 400
    assert says in response.json()["error"]


def test_metadata_describe_the_columns(url):
    metadata = httpx.get(f"{url}/v2/models/penguins").json()
    assert [column["name"] for column in metadata["columns"]] == list(PENGUIN)
    assert metadata["columns"][1] == {
        "name": "body_mass",
        "input": "body_mass",
        "datatype": "FP32",
        "kind": "number",
        "unit": "g",
        "range": [2700, 6300],
        "missing": "NaN",
    }
    assert httpx.get(f"{url}/v2/models/two_targets").json()["targets"] == [
        {"name": "height", "unit": "cm"},
        {"name": "width"},
    ]


def test_the_document_describes_columns_and_its_examples_are_answered(url):
    document = httpx.get(f"{url}/openapi.json").json()
    model = ServedModel("penguins", table_models.penguins().SerializeToString())
    row = openapi_document({"penguins": model}, auth=False)["components"]["schemas"]["Row"]
    assert row["required"] == ["bill_length", "island"]
    assert row["properties"]["bill_length"]["description"] == "length of the bill in mm"
    assert row["properties"]["island"]["examples"] == table_models.ISLANDS
    examples = document["components"]["requestBodies"]["Row"]["content"]["application/json"]["examples"]
    assert {"penguins", "switches", "two_targets"} <= examples.keys()
    for name, example in examples.items():
        assert predict(url, name, example["value"]).status_code == 200, name
    requests = document["components"]["requestBodies"]["InferenceRequest"]["content"]["application/json"]["examples"]
    for name, example in requests.items():
        assert httpx.post(f"{url}/v2/models/{name}/infer", json=example["value"]).status_code == 200, name
