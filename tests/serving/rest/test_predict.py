"""POST /predict/{model} with a row or an image."""

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from penstock.serving.codecs.images import MAX_PIXELS, decode_image, read_upload
from penstock.serving.errors import RequestError
from tests.serving import tiny_models
from tests.serving.server_process import serving

LEFT = np.zeros((28, 28), np.uint8)
LEFT[:, :14] = 255


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, model in {
        "sides": tiny_models.sides(),
        "echo": tiny_models.echo(),
        "fractions": tiny_models.fractions(),
    }.items():
        tiny_models.save(folder, name, model)
    with serving(folder, str(folder)) as running:
        yield running


def picture(array, kind="png"):
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


def predict(served, model="sides", **what):
    return httpx.post(f"{served.url}/predict/{model}", **what)


def as_body(array, kind):
    return {"content": picture(array, kind), "headers": {"Content-Type": f"image/{kind}"}}


def test_predictions_have_a_label_and_a_duration(served):
    answer = predict(served, json={"pixels": LEFT.tolist()}).json()
    assert answer["label"] == "left"
    assert answer["probabilities"].keys() == {"left", "right"}
    assert answer["milliseconds"] > 0
    assert answer["model_version"] == httpx.get(f"{served.url}/models").json()["sides"]


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize("size", [28, 7, 300])
def test_images_of_any_size_are_resized(served, kind, size):
    large = np.asarray(Image.fromarray(LEFT).resize((size, size)))
    for array, label in ((large, "left"), (large[:, ::-1], "right")):
        assert predict(served, **as_body(array, kind)).json()["label"] == label


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize("named", ["application/x-www-form-urlencoded", "application/octet-stream", "image/jpeg", None])
def test_an_image_is_seen_by_its_first_bytes_whatever_its_content_type(served, kind, named):
    headers = {"Content-Type": named} if named else {}
    assert predict(served, content=picture(LEFT, kind), headers=headers).json()["label"] == "left"


def test_images_can_be_uploaded_by_a_form(served):
    files = {"note": (None, "a digit"), "image": ("digit.png", picture(LEFT), "image/png")}
    assert predict(served, files=files).json()["label"] == "left"


def test_images_are_inverted_only_for_a_light_background(served):
    dark = 255 - LEFT
    assert predict(served, **as_body(dark, "png")).json()["label"] == "right"
    assert predict(served, params={"background": "light"}, **as_body(dark, "png")).json()["label"] == "left"


def test_transparent_pixels_show_the_background():
    drawn = np.zeros((28, 28, 4), np.uint8)
    drawn[:, :14] = 255
    assert (decode_image(picture(drawn), (28, 28)) == LEFT).all()
    drawn[:, :14, :3] = 0
    assert (decode_image(picture(drawn), (28, 28), light_background=True) == LEFT).all()


def form(boundary, *parts):
    return b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


FORM = {"Content-Type": "multipart/form-data; boundary=X"}
NOTE = b'Content-Disposition: form-data; name="note"\r\n\r\nno file'
BOMB = {"content": picture(np.zeros((5000, 5000), np.uint8)), "headers": {"Content-Type": "image/png"}}


@pytest.mark.parametrize(
    ("model", "sent", "status", "says"),
    [
        ("sides", {"content": b"no picture", "headers": {"Content-Type": "image/png"}}, 400, "cannot be decoded"),
        ("sides", {"content": picture(LEFT)[:60], "headers": {"Content-Type": "image/png"}}, 400, "cannot be decoded"),
        ("sides", BOMB, 413, f"the image has 5000 x 5000 pixels; the limit is {MAX_PIXELS} pixels"),
        ("sides", {"content": picture(LEFT, "gif"), "headers": {"Content-Type": "image/gif"}}, 415, "not 'image/gif'"),
        ("sides", {"content": b"", "headers": {"Content-Type": "multipart/form-data"}}, 400, "malformed form"),
        ("sides", {"content": form(b"X", NOTE), "headers": FORM}, 400, "the form has no file"),
        ("sides", {"params": {"background": "red"}, **as_body(LEFT, "png")}, 400, "expected dark or light, not 'red'"),
        ("echo", {"params": {"background": ""}, "json": {"text": "a"}}, 400, "expected dark or light, not ''"),
        ("echo", as_body(LEFT, "png"), 415, 'echo takes no images; send {"text": ...}'),
        ("sides", {"json": {"pixels": LEFT.tolist(), "more": 1}}, 400, 'expected {"pixels": ...}'),
        ("sides", {"content": b"[]"}, 400, 'must be a JSON object; send several rows as {"instances": [{...}, ...]}'),
        ("echo", {"json": {"text": ["a", "b"]}}, 400, '; send several rows as {"instances": [{...}, ...]}'),
        ("sides", {"json": {"pixels": [LEFT.tolist()] * 2}}, 400, '; send several rows as {"instances": [{...}, ...]}'),
        ("echo", {"content": picture(LEFT)}, 415, 'echo takes no images; send {"text": ...}'),
        ("sides", {"content": picture(LEFT, "gif")}, 415, "not 'image/gif'"),
        (
            "sides",
            {"content": picture(LEFT, "bmp")},
            400,
            'the body is a BMP image, not JSON; expected {"pixels": ...}',
        ),
        ("echo", {"content": b"PK\x03\x04\x14\0"}, 400, "the body is a zip or Excel file, not JSON; expected {"),
        ("echo", {"content": b"text\na"}, 400, 'line 1 column 1 (char 0); expected {"text": ...}'),
        ("echo", {"content": b""}, 400, 'the body is empty; expected {"text": ...}'),
        ("nothing", {"json": {}}, 404, "no model 'nothing'; the served models are"),
    ],
)
def test_invalid_rows_are_rejected_with_a_reason(served, model, sent, status, says):
    response = predict(served, model, **sent)
    assert response.status_code == status
    assert says in response.json()["error"]


WHOLE = {"PNG": picture(LEFT), "JPEG": picture(LEFT, "jpeg")}


@given(
    kind=st.sampled_from(["PNG", "JPEG"]),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8),
    end=st.integers(0, 10_000),
)
def test_damaged_images_are_decoded_or_rejected(kind, changes, end):
    content = bytearray(WHOLE[kind])
    for position, byte in changes:
        content[position % len(content)] = byte
    try:
        assert decode_image(bytes(content[: end or None]), (28, 28), [kind]).shape == (28, 28)
    except RequestError as error:
        assert "image" in str(error)


@given(st.binary(max_size=300))
def test_damaged_forms_are_rejected(content):
    try:
        read_upload(form(b"X", NOTE)[:20] + content, FORM["Content-Type"])
    except RequestError as error:
        assert "form" in str(error) or "image" in str(error)


def test_penstock_predict_reads_an_image_file(tmp_path, capsys, monkeypatch):
    from penstock.cli import main

    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").write_text("models: {sides: {}}\n")
    tiny_models.save(tmp_path / "models", "sides", tiny_models.sides())
    Path(tmp_path / "digit.png").write_bytes(picture(LEFT))
    monkeypatch.chdir(tmp_path)
    main(["predict", "sides", "digit.png"])
    assert capsys.readouterr().out.startswith("left\n")
    with pytest.raises(SystemExit) as ended:
        main(["predict", "sides", "nothing.png"])
    assert ended.value.code == 2
    assert "nothing.png: No such file or directory" in capsys.readouterr().err
