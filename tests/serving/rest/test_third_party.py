"""One server of files that the pipeline did not make: no file breaks a shared route, and each is answered."""

import io

import httpx
import numpy as np
import pytest
import tritonclient.http
import tritonclient.utils
from PIL import Image

from tests.serving import third_party_models, tiny_models
from tests.serving.server_process import serving

MODELS = {
    "lstm": third_party_models.lstm_with_states,
    "detector": third_party_models.detector,
    "mean": third_party_models.mean,
    "without_inputs": third_party_models.without_inputs,
    "fixed_batch": lambda: third_party_models.double(2, 2),
    "open_sequence": lambda: third_party_models.double("n", "length"),
    "scalar": third_party_models.double,
    "sum_of_two": third_party_models.sum_of_two,
    "colour_pictures": third_party_models.colour_pictures,
    "not_json": lambda: third_party_models.with_class_names("a, b"),
    "not_a_list": lambda: third_party_models.with_class_names('{"a": 0}'),
}
COLOURS = [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]
PREDICTIONS = [
    ("detector", {"scores": [3]}, {"boxes": [[3.0]]}),
    ("detector", {"scores": [-3]}, {"boxes": []}),
    ("mean", {"numbers": [1, 2]}, {"mean": 1.5}),
    ("without_inputs", {}, {"numbers": [1.0, 2.0]}),
    ("open_sequence", {"numbers": [1, 2, 3]}, {"doubled": [[2.0, 4.0, 6.0]]}),
    ("scalar", {"numbers": 1}, {"doubled": 2.0}),
    ("sum_of_two", {"a": [1, 2], "b": [10, 20]}, {"sum": [11.0, 22.0]}),
    ("colour_pictures", {"pixels": COLOURS}, {"same": COLOURS}),
    ("not_json", {"numbers": [1, 2]}, {"doubled": [2.0, 4.0]}),
    ("not_a_list", {"numbers": [1, 2]}, {"doubled": [2.0, 4.0]}),
]
ERRORS = [
    ("detector", {"boxes": [3]}, 'expected {"scores": ...}: scores: FP32 of shape [-1, 1]'),
    ("without_inputs", {"x": 1}, "expected {}: the model has no inputs"),
    ("fixed_batch", {"numbers": [1, 2]}, "expected FP32 of shape [2, 2], not [1, 2]"),
    ("scalar", {"numbers": [1]}, "expected FP32 of shape []"),
    ("open_sequence", {"numbers": []}, "expected FP32 of shape [-1, -1]"),
]
INFERENCES = [
    ("fixed_batch", [2, 2], [1, 2, 3, 4], [2, 2], [2.0, 4.0, 6.0, 8.0]),
    ("open_sequence", [1, 3], [1, 2, 3], [1, 3], [2.0, 4.0, 6.0]),
    ("scalar", [], [4], [], [8.0]),
    ("mean", [3, 2], [1, 2, 3, 4, 5, 6], [], [3.5]),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, make in MODELS.items():
        tiny_models.save(folder, name, make())
    with serving(folder, str(folder)) as running:
        yield running.url


def test_the_document_names_every_model(url):
    response = httpx.get(f"{url}/openapi.json")
    assert response.status_code == 200
    assert set(response.json()["components"]["parameters"]["name"]["schema"]["enum"]) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_metadata_of_every_model_are_served(url, name):
    assert httpx.get(f"{url}/v2/models/{name}").json()["name"] == name


@pytest.mark.parametrize(("name", "row", "outputs"), PREDICTIONS)
def test_predict_answers_every_kind(url, name, row, outputs):
    answer = httpx.post(f"{url}/predict/{name}", json=row).json()
    assert {key: answer[key] for key in answer if key in outputs} == outputs


def test_predict_answers_large_outputs(url):
    numbers = np.arange(200_000)
    answer = httpx.post(f"{url}/predict/open_sequence", json={"numbers": numbers.tolist()}).json()
    assert np.array_equal(answer["doubled"], [2 * numbers])
    assert answer["model_version"]


@pytest.mark.parametrize(("name", "row", "says"), ERRORS)
def test_predict_says_what_a_model_takes(url, name, row, says):
    response = httpx.post(f"{url}/predict/{name}", json=row)
    assert response.status_code == 400
    assert says in response.json()["error"]


def test_an_image_in_colour_keeps_its_colours(url):
    file = io.BytesIO()
    Image.fromarray(np.array(COLOURS, np.uint8)).save(file, "png")
    headers = {"Content-Type": "image/png"}
    answer = httpx.post(f"{url}/predict/colour_pictures", content=file.getvalue(), headers=headers).json()
    assert answer["same"] == COLOURS


@pytest.mark.parametrize(("name", "shape", "data", "out_shape", "out"), INFERENCES)
def test_infer_answers_any_shape(url, name, shape, data, out_shape, out):
    tensor = {"name": "numbers", "datatype": "FP32", "shape": shape, "data": data}
    (output,) = httpx.post(f"{url}/v2/models/{name}/infer", json={"inputs": [tensor]}).json()["outputs"]
    assert (output["shape"], output["data"]) == (out_shape, out)


@pytest.mark.parametrize(("value", "doubled"), [(3e38, np.inf), (-3e38, -np.inf), (np.nan, np.nan)])
def test_infinities_and_nan_are_answered_as_bytes_and_refused_as_json(url, value, doubled):
    with tritonclient.http.InferenceServerClient(url.removeprefix("http://")) as client:
        numbers = tritonclient.http.InferInput("numbers", [1, 2], "FP32")
        numbers.set_data_from_numpy(np.array([[value, 1]], np.float32))
        result = client.infer("not_json", [numbers]).as_numpy("doubled")
        assert np.array_equal(result, np.array([[doubled, 2]], np.float32), equal_nan=True)
        as_json = [tritonclient.http.InferRequestedOutput("doubled", binary_data=False)]
        with pytest.raises(tritonclient.utils.InferenceServerException, match="doubled: has an infinity or NaN"):
            client.infer("not_json", [numbers], outputs=as_json)


@pytest.mark.parametrize("body", [{"inputs": []}, {}])
def test_a_model_without_inputs_takes_no_tensors(url, body):
    (output,) = httpx.post(f"{url}/v2/models/without_inputs/infer", json=body).json()["outputs"]
    assert output["data"] == [1.0, 2.0]
