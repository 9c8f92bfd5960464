"""The largest requests of each kind, within the documented limits."""

import gzip
import io
import struct
from typing import Any

import numpy as np
import orjson
from onnx import TensorProto
from PIL import Image

from penstock.serving.grpc import messages
from tests.serving import tiny_models

SIZE = 15_900_000  # bytes; the limit of a body is 16 MiB
WIDTH = 500


def save_models(folder):
    """Write models that take each kind of input."""
    tiny_models.save(folder, "texts", tiny_models.token_ids(["a", "film"], 200, "ascii"))
    tiny_models.save(folder, "echo", tiny_models.echo())
    tiny_models.save(folder, "images", tiny_models.sides())
    tiny_models.save(folder, "numbers", tiny_models.same(TensorProto.FLOAT, WIDTH))
    tiny_models.save(folder, "words", tiny_models.same(TensorProto.STRING, "words"))
    tiny_models.save(folder, "thirds", tiny_models.thirds(WIDTH))


def infer(model, datatype, shape, data, name="values"):
    """Return path, body and headers of a request whose data are given as JSON."""
    head = orjson.dumps({"inputs": [{"name": name, "datatype": datatype, "shape": shape}]})
    return f"/v2/models/{model}/infer", b"".join([head[:-3], b',"data":[', data, b"]}]}"]), {}


def numbers(value):
    count = SIZE // (len(value) + 1) // WIDTH * WIDTH
    return infer("numbers", "FP32", [count // WIDTH, WIDTH], b",".join([value] * count))


def texts(model, value, count):
    return infer(model, "BYTES", [count], b",".join([b'"%b"' % value] * count), "text")


def binary(model, datatype, shape, content, as_bytes, name="values"):
    parameters = {"binary_data_size": len(content)}
    tensor = {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}
    head = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": as_bytes}})
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    return f"/v2/models/{model}/infer", head + content, headers


def image(kind, mode):
    """Return a noisy image of 24 million pixels."""
    noise = Image.effect_noise((600, 400), 20).resize((6000, 4000), Image.Resampling.NEAREST).convert(mode)
    options: dict[str, dict[str, Any]] = {"PNG": {"compress_level": 1}, "JPEG": {"progressive": True}}
    noise.save(encoded := io.BytesIO(), kind, **options[kind])
    assert len(encoded.getvalue()) < 2**24
    return "/predict/images", encoded.getvalue(), {"Content-Type": f"image/{kind.lower()}"}


def form():
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    body = part + b"\r\n-" * (SIZE // 3) + b"\r\n--x--\r\n"
    return "/predict/images", body, {"Content-Type": "multipart/form-data; boundary=x"}


def with_headers(request, **headers):
    path, body, before = request
    return path, body, before | {name.replace("_", "-"): value for name, value in headers.items()}


def compressed(request):
    path, body, headers = request
    return path, gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}


def message(model, datatype, shape, name="values", raw=None, **contents):
    """Return a gRPC request."""
    tensor = {"name": name, "datatype": datatype, "shape": shape, "contents": contents or None}
    request = messages.ModelInferRequest(model_name=model, inputs=[tensor])
    request.raw_input_contents.extend([] if raw is None else [raw])
    return request.SerializeToString()


def values(count):
    return np.random.default_rng(0).random(count, np.float32)


# What each is answered with; over gRPC, the name of the code.
HTTP = {
    "small numbers": (lambda: numbers(b"1"), 200),
    "floats": (lambda: numbers(b"0.123456"), 200),
    "small numbers, compressed": (lambda: compressed(numbers(b"1")), 200),
    "empty lists": (lambda: infer("numbers", "FP32", [1, WIDTH], b"[]," * (SIZE // 3) + b"1"), 413),
    "objects": (lambda: infer("numbers", "FP32", [1, WIDTH], b'{"":0},' * (SIZE // 7) + b"1"), 413),
    "deep lists": (lambda: infer("numbers", "FP32", [1, WIDTH], b"[" * (SIZE // 2) + b"]" * (SIZE // 2)), 413),
    "a shape of millions": (lambda: infer("numbers", "FP32", [1] * (SIZE // 2), b"1"), 400),
    "spaces, compressed": (lambda: compressed(("/v2/models/numbers/infer", b" " * 2**28, {})), 413),
    "one text": (lambda: texts("texts", b"a " * (SIZE // 2), 1), 200),
    "long texts": (lambda: texts("echo", b"a " * 500_000, 15), 200),
    "short texts": (lambda: texts("echo", b"a b " * 240, 16_000), 200),
    "empty texts": (lambda: infer("words", "BYTES", [16_000, 300], b",".join([b'""'] * 4_800_000)), 413),
    "predict one text": (lambda: ("/predict/texts", b'{"text":"' + b"a " * (SIZE // 2) + b'"}', {}), 200),
    "predict numbers": (lambda: ("/predict/numbers", b'{"values":[' + b"1," * (SIZE // 2) + b"1]}", {}), 400),
    "explain pixels": (lambda: ("/explain/images", b'{"pixels":[' + b"1," * (SIZE // 2) + b"1]}", {}), 400),
    "an index": (lambda: ("/v2/repository/index", b'{"ready":[' + b"1," * (SIZE // 2) + b"1]}", {}), 413),
    "bytes": (lambda: binary("numbers", "FP32", [7900, WIDTH], values(7900 * WIDTH).tobytes(), True), 200),
    "bytes, answered as JSON": (
        lambda: binary("numbers", "FP32", [7900, WIDTH], values(7900 * WIDTH).tobytes(), False),
        200,
    ),
    "bytes, answered compressed": (
        lambda: with_headers(
            binary("thirds", "UINT8", [16_000, WIDTH], bytes(16_000 * WIDTH), False), Accept_Encoding="gzip"
        ),
        200,
    ),
    "texts as bytes": (
        lambda: binary("echo", "BYTES", [16_000], (struct.pack("<I", 960) + b"a b " * 240) * 16_000, True, "text"),
        200,
    ),
    "empty texts as bytes": (lambda: binary("words", "BYTES", [16_000, 245], bytes(16_000 * 245 * 4), True), 413),
    "PNG": (lambda: image("PNG", "RGBA"), 200),
    "JPEG": (lambda: image("JPEG", "RGB"), 200),
    "a form": (form, 400),
}
GRPC = {
    "floats": (
        lambda: message("numbers", "FP32", [7900, WIDTH], fp32_contents=values(7900 * WIDTH).tolist()),
        "OK",
    ),
    "bytes": (lambda: message("thirds", "UINT8", [16_000, WIDTH], raw=bytes(16_000 * WIDTH)), "OK"),
    "empty texts": (
        lambda: message("words", "BYTES", [16_000, 500], bytes_contents=[b""] * 8_000_000),
        "RESOURCE_EXHAUSTED",
    ),
    "one text": (lambda: message("texts", "BYTES", [1], "text", bytes_contents=[b"a " * (SIZE // 2)]), "OK"),
    "empty inputs": (lambda: message("numbers", "FP32", [1]) + b"\x2a\x00" * (SIZE // 2), "INVALID_ARGUMENT"),
    "many outputs": (
        lambda: message("numbers", "FP32", [1, WIDTH]) + b"\x32\x06\x0a\x04same" * (SIZE // 8),
        "INVALID_ARGUMENT",
    ),
    "a long name": (lambda: message("a" * SIZE, "FP32", [1]), "NOT_FOUND"),
}
