"""The server behaves as its OpenAPI document says; schemathesis generates the requests."""

import io

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from penstock.serving.rest.openapi import openapi_document
from penstock.serving.runtime.sources import model_files


def picture(size, shade, kind):
    content = io.BytesIO()
    Image.new("L", size, shade).save(content, kind)
    return content.getvalue()


SIZES = st.tuples(st.integers(1, 60), st.integers(1, 60))
for kind in ("PNG", "JPEG"):
    pictures = st.builds(picture, SIZES, st.integers(0, 255), st.just(kind))
    schemathesis.openapi.media_type(f"image/{kind.lower()}", pictures | st.binary(max_size=40))

PATHS = openapi_document({}, auth=False)["paths"]
OPERATIONS = [(path, method) for path, item in PATHS.items() for method in item if method != "parameters"]
WITH_INPUT = [
    (path, method) for path, method in OPERATIONS if "parameters" in PATHS[path] or "requestBody" in PATHS[path][method]
]
FEW = settings(
    max_examples=10,
    deadline=None,
    # A digit is 784 numbers, each of which hypothesis chooses.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def told(served):
    return httpx.get(f"{served.url}/openapi.json").raise_for_status().json()


def ask(served, told, path, method, mode):
    """Send valid or invalid requests; each response must have a documented status and body."""

    @FEW
    @given(case=schemathesis.openapi.from_dict(told)[path][method].as_strategy(generation_mode=mode))
    def asked(case):
        # A shape and its data must agree, which a schema cannot say.
        case.call_and_validate(base_url=served.url, excluded_checks=[positive_data_acceptance])

    asked()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_responses_match_the_openapi_document(served, told, path, method):
    ask(served, told, path, method, GenerationMode.POSITIVE)


@pytest.mark.parametrize(("path", "method"), WITH_INPUT)
def test_invalid_requests_are_rejected_as_documented(served, told, path, method):
    ask(served, told, path, method, GenerationMode.NEGATIVE)


@pytest.mark.parametrize("name", ["iris_mlp", "mnist_gan", "imdb_lstm"])
def test_every_documented_row_is_answered(served, small_run, name):
    """The document of a server with one model."""
    model = model_files([small_run.root / "models"])[name].load()
    predict = schemathesis.openapi.from_dict(openapi_document({name: model}, auth=False))["/predict/{name}"]["post"]

    @FEW
    @given(case=predict.as_strategy())
    def asked(case):
        response = case.call(base_url=served.url)
        assert response.status_code == 200 or "so large that the model's output is not finite" in response.text

    asked()


def examples(told):
    """Yield the path and body of every example."""
    for path, item in told["paths"].items():
        body = item.get("post", {}).get("requestBody", {}).get("$ref", "").rpartition("/")[2]
        contents = told["components"]["requestBodies"].get(body, {}).get("content", {})
        for name, example in contents.get("application/json", {}).get("examples", {}).items():
            yield path.replace("{name}", name), example["value"]


def test_every_example_of_the_document_is_answered(served, told):
    asked = [(path, body) for path, body in examples(told) if "{version}" not in path]
    assert {path.split("/")[1] for path, _ in asked} == {"predict", "explain", "v2"}
    for path, body in asked:
        assert httpx.post(f"{served.url}{path}", json=body).status_code == 200, (path, body)


def test_the_document_says_whether_a_token_is_required(told):
    assert told["security"] == []
    guarded = openapi_document({}, auth=True)
    assert guarded["security"] == [{"token": []}]
    assert guarded["paths"]["/v2/health/live"]["get"]["security"] == []
