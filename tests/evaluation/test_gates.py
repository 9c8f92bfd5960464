"""Tests of the gates: which value they read, in which direction, and what a failure says."""

import pytest

from penstock.core.errors import GateError
from penstock.evaluation.gates import int8_checks, require_passed, score_checks

TRAINING = {"cv": {"mean": 0.97}}
CLASSIFIED = {
    "test": {
        "accuracy": 0.9,
        "loss": 0.4,
        "macro_f1": 0.88,
        "auroc": 0.95,
        "expected_calibration_error": 0.05,
        "smallest_class_precision": 0.7,
        "smallest_class_recall": 0.6,
    },
    "behaviour": {"shift": {"passed": 0.91}},
}


def with_gates(config, model, **gates):
    found = config.model(model)
    if found.task == "classification":
        gates = {"behaviour": {}} | gates
    return found.model_copy(update={"gates": found.gates.model_copy(update=gates)})


def failed(model, validation):
    return {gate for gate, check in score_checks(model, TRAINING, validation).items() if not check.passed}


@pytest.mark.parametrize(
    ("gate", "passing", "failing"),
    [
        ("accuracy", 0.9, 0.91),
        ("macro_f1", 0.88, 0.89),
        ("auroc", 0.95, 0.96),
        ("loss", 0.4, 0.39),
        ("expected_calibration_error", 0.05, 0.04),
        ("smallest_class_precision", 0.7, 0.71),
        ("smallest_class_recall", 0.6, 0.61),
    ],
)
def test_each_metric_of_a_classifier_can_be_a_gate(config, gate, passing, failing):
    assert failed(with_gates(config, "mnist_cnn", **{"accuracy": 0, gate: passing}), CLASSIFIED) == set()
    assert failed(with_gates(config, "mnist_cnn", **{"accuracy": 0, gate: failing}), CLASSIFIED) == {gate}


@pytest.mark.parametrize(
    ("model", "gate", "passing", "failing"),
    [
        ("mnist_autoencoder", "ssim", 0.8, 0.81),
        ("mnist_gan", "frechet_distance", 600, 599),
        ("mnist_gan", "mean_confidence", 0.86, 0.87),
        ("mnist_gan", "sample_precision", 0.7, 0.71),
        ("mnist_gan", "sample_recall", 0.2, 0.21),
    ],
)
def test_each_metric_of_images_can_be_a_gate(config, model, gate, passing, failing):
    test = {"mean_squared_error": 0.01, "ssim": 0.8, "frechet_distance": 600.0, "frechet_ratio": 0.3}
    test |= {"smallest_class_share": 0.07, "mean_confidence": 0.86, "sample_precision": 0.7, "sample_recall": 0.2}
    assert failed(with_gates(config, model, **{gate: passing}), {"test": test}) == set()
    assert failed(with_gates(config, model, **{gate: failing}), {"test": test}) == {gate}


def test_a_metric_without_a_limit_is_not_checked(config):
    assert score_checks(with_gates(config, "mnist_cnn"), {}, CLASSIFIED).keys() == {"accuracy"}


def test_a_behaviour_test_is_a_gate_by_its_name(config):
    checks = score_checks(with_gates(config, "mnist_cnn", accuracy=0, behaviour={"shift": 0.92}), {}, CLASSIFIED)
    with pytest.raises(GateError, match=r"^models\.m\.gates\.behaviour\.shift: 0\.91, must be at least 0\.92$"):
        require_passed(checks, "models.m.gates")


def test_a_value_that_the_reports_do_not_have_fails(config):
    model = with_gates(config, "mnist_cnn", accuracy=0, macro_f1=0.0, behaviour={"noise": 0.0})
    checks = score_checks(model, {}, {"test": {"accuracy": 1.0}})
    with pytest.raises(GateError) as raised:
        require_passed(checks, "gates")
    macro_f1, noise = str(raised.value).splitlines()
    assert macro_f1 == "gates.macro_f1: not measured (run the stage validate again), must be at least 0"
    assert noise.startswith("gates.behaviour.noise: not measured (it changes no test row;")


def test_sizes_in_bytes_have_all_their_digits(config):
    model = config.model("mnist_cnn")
    validation = {"test": {"accuracy": 1.0}, "onnx": {"bytes": 1234567}, "int8": {"accuracy": 1.0, "bytes": 1234567}}
    assert str(int8_checks(model, validation)["int8 (bytes)"]) == "1234567, must be at most 1234566"
