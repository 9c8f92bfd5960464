"""`penstock compare` on autoencoders and generators of a few images."""

import gzip

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from penstock.comparison.candidate import Candidate
from penstock.config.loading import load_config
from penstock.config.promotion import PromotionConfig
from penstock.evaluation.frechet import REFERENCE, Statistics
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import dvc_directory_hash, write_bytes
from penstock.io.processed_dataset import save_array
from penstock.registry.promotion import judge

ROWS = 40
NOISE_SIZE = 3


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def images():
    return np.random.default_rng(5).integers(0, 256, (ROWS, 28, 28), dtype=np.uint8)


@pytest.fixture
def mnist(here, images):
    """Test images without training images, and a processed dataset of them."""
    labels = np.arange(ROWS, dtype=np.uint8) % 10
    raw, processed = here.project.raw("mnist"), here.project.processed("mnist")
    for part, count in (("train", 1), ("t10k", ROWS)):
        write_bytes(raw / f"{part}-images-idx3-ubyte.gz", idx(images[:count]))
        write_bytes(raw / f"{part}-labels-idx1-ubyte.gz", idx(labels[:count]))
    save_array(processed, "test/rows", np.arange(ROWS))
    save_array(processed, "test/labels", labels.astype(np.int64))
    info = DatasetInfo(
        dataset="mnist", kind="image", shape=(28, 28), vocab_size=0, classes=tuple("0123456789"), description="digits"
    )
    info.save(processed)
    return here


def save(here, name, nodes, takes, gives, constants=None, **metadata):
    """Write a model of these nodes; tensors are given as name, type and sizes of a row."""

    def tensors(group):
        return [helper.make_tensor_value_info(key, kind, ["rows", *sizes]) for key, kind, *sizes in group]

    initializers = [numpy_helper.from_array(value, key) for key, value in (constants or {}).items()]
    proto = helper.make_model(
        helper.make_graph(nodes, "small", tensors(takes), tensors(gives), initializers),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    data = dvc_directory_hash(here.project.processed("mnist"))
    known = {"dataset": "mnist", "data": data, "parameters": "p", "code": "c"}
    helper.set_model_props(proto, known | metadata)
    onnx.checker.check_model(proto, full_check=True)
    path = here.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, path)


def autoencoder(here, name, brightness):
    """Write an autoencoder that gives images back with another brightness."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["reconstruction"]),
    ]
    image = ("reconstruction", TensorProto.FLOAT, 28, 28)
    scale = {"scale": np.array(brightness / 255, np.float32)}
    save(here, name, nodes, [("pixels", TensorProto.UINT8, 28, 28)], [image], scale, model="mnist_autoencoder")


def test_autoencoders_are_compared_by_the_error_of_each_row(mnist, images, compare):
    autoencoder(mnist, "a.onnx", 0.9)
    autoencoder(mnist, "b.onnx", 0.8)
    done = compare("a.onnx", "b.onnx", "--json")
    (pair,) = done.document["comparisons"]
    (score,) = pair["scores"]
    squares = np.square(images / 255).mean(axis=(1, 2))
    assert (done.exit_code, pair["verdict"]) == (1, "worse"), "a larger error is worse"
    assert (score["a"], score["b"]) == pytest.approx((0.01 * squares.mean(), 0.04 * squares.mean()), abs=1e-6)
    assert score["interval"][0] < 0.03 * squares.mean() < score["interval"][1]
    assert [row["row"] for row in pair["disagreements"]] == list(np.argsort(-squares, kind="stable"))
    assert pair["classes"][3]["b"] == pytest.approx(0.04 * squares[3::10].mean(), abs=1e-6)
    assert compare("b.onnx", "a.onnx").exit_code == 0


def generator(here, name, contrast):
    """Write a generator of images of one grey, that of the first number of the noise."""
    nodes = [
        helper.make_node("Gather", ["noise", "first"], ["grey"], axis=1),
        helper.make_node("Mul", ["grey", "contrast"], ["scaled"]),
        helper.make_node("Add", ["scaled", "middle"], ["shifted"]),
        helper.make_node("Clip", ["shifted", "low", "high"], ["clipped"]),
        helper.make_node("Cast", ["clipped"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Expand", ["bytes", "shape"], ["image"]),
    ]
    constants = {
        "first": np.array([[0]], np.int64),
        "contrast": np.float32(contrast),
        "middle": np.float32(128),
        "low": np.float32(0),
        "high": np.float32(255),
        "shape": np.array([1, 28, 28], np.int64),
    }
    save(
        here,
        name,
        nodes,
        [("noise", TensorProto.FLOAT, NOISE_SIZE)],
        [("image", TensorProto.UINT8, 28, 28)],
        {key: np.asarray(value) for key, value in constants.items()},
        model="mnist_gan",
    )


def reference(here, images):
    """Write a reference classifier whose features are the mean of the upper and of the lower half of an image."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "halves"], ["split"]),
        helper.make_node("ReduceMean", ["split", "last"], ["features"], keepdims=0),
        helper.make_node("MatMul", ["features", "classes"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {
        "halves": np.array([0, 2, 392], np.int64),
        "last": np.array([2], np.int64),
        "classes": np.linspace(-0.1, 0.1, 20, dtype=np.float32).reshape(2, 10),
    }
    gives = [("features", TensorProto.FLOAT, 2), ("probabilities", TensorProto.FLOAT, 10)]
    name = f"baselines/mnist_fid_reference/{REFERENCE}"
    save(here, name, nodes, [("pixels", TensorProto.UINT8, 28, 28)], gives, constants, model="reference")
    features = images.reshape(ROWS, 2, -1).mean(axis=2).astype(np.float32)
    Statistics.of(features).save(here.project.baseline("mnist_fid_reference"))


def test_generators_are_compared_by_their_metrics_without_a_test(mnist, images, compare):
    reference(mnist, images)
    generator(mnist, "a.onnx", 2)
    generator(mnist, "b.onnx", 60)
    done = compare("a.onnx", "b.onnx", "--json")
    first, second = (model["metrics"] for model in done.document["models"])
    (pair,) = done.document["comparisons"]
    assert (done.exit_code, pair["verdict"], pair["scores"]) == (0, "not tested", [])
    assert first["test/frechet_distance"] < second["test/frechet_distance"]
    assert sum(one["a"] for one in pair["classes"]) == pytest.approx(1)
    shown = compare("a.onnx", "b.onnx").out
    assert "A generator has no score per row" in shown
    assert "test/frechet_distance" in shown


@pytest.mark.parametrize(
    ("margin", "promoted", "reason"),
    [
        (None, False, "; a generator has no paired test, and promotion.margin is not set"),
        (1.0, True, "better by the margin of 1: Frechet distance "),
        (1e6, False, "not better by the margin of 1e+06: Frechet distance "),
    ],
)
def test_a_generator_becomes_champion_by_the_margin_alone(mnist, images, margin, promoted, reason):
    reference(mnist, images)
    generator(mnist, "a.onnx", 60)
    generator(mnist, "b.onnx", 2)
    candidates = [Candidate(name, mnist.root / name, name) for name in ("a.onnx", "b.onnx")]
    config = load_config(mnist.project.params)
    rules = PromotionConfig(margin=margin, max_latency_ratio=9.0)
    verdict = judge(mnist.project, config, rules, *candidates)
    assert verdict.promoted == promoted
    assert reason in verdict.reason
    assert verdict.evidence["challenger"] < verdict.evidence["champion"], "a smaller distance is better"
    assert not judge(mnist.project, config, rules, *reversed(candidates)).promoted


def test_generators_need_the_reference(mnist, compare):
    generator(mnist, "a.onnx", 2)
    done = compare("a.onnx", "a.onnx")
    assert (done.exit_code, len(done.err.splitlines())) == (2, 1)
    assert "`dvc repro fid_reference` makes it" in done.err
