"""POST /explain/{model}: the weight of a part equals the drop of the prediction without it."""

import asyncio
import io

import httpx
import numpy as np
import orjson
import pytest
from PIL import Image

from penstock.serving.errors import DeadlineExceededError
from penstock.serving.http.messages import Request
from penstock.serving.rest.explain import BATCH_SIZE, ExplainEndpoint
from penstock.serving.rest.occlusion import MAX_TEXT_LENGTH, MAX_TEXT_PARTS
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.repository import Repository
from penstock.serving.settings import ServerConfig
from tests.serving import tiny_models

REVIEW = "A wonderful 🎬 film, a terrible title.<br />Wonderful!"


@pytest.fixture(scope="module")
def client(served):
    with httpx.Client(base_url=served.url) as client:
        yield client


def log_odds(client, model, body, label):
    likely = client.post(f"/predict/{model}", json=body).json()["probabilities"]
    return np.log(likely[label] / (1 - likely[label]))


@pytest.mark.parametrize("model", ["imdb_lstm", "imdb_attention"])
def test_word_weights_are_the_drop_without_the_word(client, model):
    answer = client.post(f"/explain/{model}", json={"text": REVIEW}).json()
    plain = client.post(f"/predict/{model}", json={"text": REVIEW}).json()
    assert answer["label"] == plain["label"]
    assert answer["probability"] == pytest.approx(plain["probabilities"][plain["label"]], abs=1e-6)
    assert answer["method"] == "occlusion"
    spans = [(span["start"], span["end"]) for span in answer["weights"]]
    assert " ".join(REVIEW[start:end] for start, end in spans) == "A wonderful film a terrible title Wonderful"
    whole = log_odds(client, model, {"text": REVIEW}, answer["label"])
    for (start, end), part in zip(spans, answer["weights"], strict=True):
        without = log_odds(client, model, {"text": REVIEW[:start] + REVIEW[end:]}, answer["label"])
        assert part["weight"] == pytest.approx(whole - without, abs=1e-3)


def test_only_ink_has_weights(client):
    pixels = np.zeros((28, 28), dtype=int)
    pixels[4:24, 13:15] = 255
    answer = client.post("/explain/mnist_cnn", json={"pixels": pixels.tolist()}).json()
    weights = np.array(answer["weights"])
    assert weights.shape == (28, 28)
    assert weights[4:24, 13:15].any()
    assert not weights[:, :8].any()
    assert not weights[:, 20:].any()
    blank = client.post("/explain/mnist_cnn", json={"pixels": np.zeros((28, 28), dtype=int).tolist()}).json()
    assert not np.any(blank["weights"])


def test_images_are_explained_like_their_pixels(client):
    pixels = np.zeros((28, 28), dtype=np.uint8)
    pixels[4:24, 13:15] = 255
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "PNG")
    drawn = client.post("/explain/mnist_cnn", content=picture.getvalue(), headers={"Content-Type": "image/png"}).json()
    told = client.post("/explain/mnist_cnn", json={"pixels": pixels.tolist()}).json()
    assert drawn["weights"] == told["weights"]


@pytest.mark.parametrize(
    ("model", "body", "status", "says"),
    [
        ("nothing", {}, 404, "no model 'nothing'"),
        ("mnist_autoencoder", {"pixels": []}, 400, "only classifiers of grey images and texts can be explained"),
        ("iris_mlp", {"features": [1, 2, 3, 4]}, 400, "only classifiers of grey images and texts can be explained"),
        ("mnist_cnn", [1], 400, "must be a JSON object"),
        ("mnist_cnn", {"text": "no"}, 400, 'expected {"pixels": ...}'),
        ("mnist_cnn", {"pixels": [[0]]}, 400, "expected UINT8 of shape [-1, 28, 28]"),
        ("imdb_lstm", {"text": "x" * (MAX_TEXT_LENGTH + 1)}, 400, "at most 20000 can be explained"),
    ],
)
def test_unexplainable_models_are_rejected(client, model, body, status, says):
    answer = client.post(f"/explain/{model}", json=body)
    assert answer.status_code == status
    assert says in answer.json()["error"]
    assert "instances" not in answer.json()["error"]  # only /predict takes them


class Counting(Engine):
    """Records the batch sizes."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.batches = []

    async def infer(self, model, inputs, timeout=None):
        self.batches.append(len(inputs[model.input.name]))
        return await super().infer(model, inputs, timeout)


def test_an_explanation_runs_a_limited_number_of_rows_in_small_batches(small_run):
    repository = Repository([small_run.root / "models"])
    repository.load()
    engine = Counting(repository)
    body = b'{"text": "' + b"word " * 3000 + b'"}'
    request = Request("POST", "/explain/imdb_lstm", {}, body, path_parameters={"name": "imdb_lstm"})
    answer = asyncio.run(ExplainEndpoint(engine).explain(request))
    assert answer.status == 200
    assert max(engine.batches) == BATCH_SIZE
    assert MAX_TEXT_PARTS // 2 < sum(engine.batches) <= MAX_TEXT_PARTS + 1


class Slow(Engine):
    """Delays every batch."""

    async def infer(self, model, inputs, timeout=None):
        await asyncio.sleep(0.05)
        return await super().infer(model, inputs, timeout)


def test_an_explanation_has_the_timeout_of_one_request(tmp_path):
    tiny_models.save(tmp_path, "sides", tiny_models.sides())
    repository = Repository([tmp_path])
    repository.load()
    engine = Slow(repository, ServerConfig(timeout=0.1))
    body = orjson.dumps({"pixels": np.tile([0, 255], (28, 14)).tolist()})
    with pytest.raises(DeadlineExceededError):
        asyncio.run(ExplainEndpoint(engine).explain(Request("POST", "", {}, body, path_parameters={"name": "sides"})))
    engine.close()
