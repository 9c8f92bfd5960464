"""`penstock compare` and promotion on hand-made regressions and multi-label classifiers of a mixed table."""

import csv
import json
from copy import deepcopy

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from ruamel.yaml import YAML
from sklearn import metrics
from sklearn.datasets import load_diabetes

from penstock.comparison.candidate import Candidate
from penstock.comparison.paired_tests import compare_functions, compare_means
from penstock.comparison.scores import macro_f1
from penstock.config.loading import load_config
from penstock.config.promotion import PromotionConfig
from penstock.io.column_info import ColumnInfo, TargetInfo
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import dvc_directory_hash
from penstock.io.processed_dataset import save_array
from penstock.registry.promotion import judge

ROWS = np.arange(0, 442, 3)
LABELS = ("high", "higher", "highest")
LIMITS = (100, 160, 220)
NUMBER = {"kind": "number"}
SITE = {"kind": "category", "values": ["A", "B"]}
TARGETS = {
    "sugar": {"kind": "number", "columns": ["progress"]},
    "sugar_labels": {"kind": "labels", "columns": list(LABELS)},
}


@pytest.fixture(scope="module")
def patients():
    """Body mass index and progress of diabetes of the test rows."""
    found = load_diabetes(scaled=False)
    return found.data[ROWS, 2].astype(np.float32), found.target[ROWS]


@pytest.fixture
def clinic(here):
    """A project with a mixed table of patients, as a regression and as a multi-label classification."""
    found = load_diabetes(scaled=False)
    for name, target in TARGETS.items():
        folder = here.project.raw(name)
        folder.mkdir(parents=True)
        with (folder / "patients.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["bmi", "site", "progress", *LABELS])
            for number, (bmi, progress) in enumerate(zip(found.data[:, 2], found.target, strict=True)):
                rows.writerow([bmi, "AB"[number % 2], progress, *(int(progress > limit) for limit in LIMITS)])
        processed = here.project.processed(name)
        save_array(processed, "test/rows", ROWS)
        save_array(processed, "test/labels", found.target[ROWS].astype(np.float32))
        DatasetInfo(
            dataset=name,
            kind="columns",
            shape=(2,),
            vocab_size=0,
            classes=() if target["kind"] == "number" else LABELS,
            description="patients",
            target="number" if target["kind"] == "number" else "labels",
            columns=(
                ColumnInfo(name="bmi", kind="number"),
                ColumnInfo(name="site", kind="category", categories=("A", "B")),
            ),
            targets=(TargetInfo(name="progress"),) if target["kind"] == "number" else (),
        ).save(processed)
    yaml = YAML()
    params = yaml.load(here.project.params)
    for name, target in TARGETS.items():
        params["datasets"][name] = {
            "folder": "data",
            "files": {"patients.csv": {"bytes": 1, "sha256": "0" * 64}},
            "description": "patients",
            "source": {"kind": "csv", "parts": {"all": "patients.csv"}},
            "inputs": {"kind": "columns", "columns": {"bmi": {**NUMBER}, "site": deepcopy(SITE)}},
            "target": deepcopy(target),
            "split": {"test": 0.3, "validation": 0.2, "seed": 0},
            "checks": {"rows": {"all": 442}},
            "behaviour": {},
        }
    yaml.dump(params, here.project.params)
    return here


def save(here, name, nodes, gives, constants, dataset, **metadata):
    """Write a model of the body mass index; the site makes no difference."""
    takes = [
        helper.make_tensor_value_info("bmi", TensorProto.FLOAT, ["rows"]),
        helper.make_tensor_value_info("site", TensorProto.STRING, ["rows"]),
    ]
    column = helper.make_node("Unsqueeze", ["bmi", "one"], ["column"])
    initializers = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    initializers.append(numpy_helper.from_array(np.array([1]), "one"))
    outputs = [helper.make_tensor_value_info(key, kind, ["rows", size]) for key, kind, size in gives]
    proto = helper.make_model(
        helper.make_graph([column, *nodes], "small", takes, outputs, initializers),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    known = {
        "model": "sugar",
        "dataset": dataset,
        "data": dvc_directory_hash(here.project.processed(dataset)),
        "parameters": "p",
        "code": "c",
    }
    helper.set_model_props(proto, known | metadata)
    onnx.save(proto, here.root / name)


def regression(here, name, slope):
    """Write a model that predicts 152 and `slope` for each unit of the body mass index above 26."""
    constants = {"mean": np.float32(26), "slope": np.array([slope], np.float32), "level": np.float32(152)}
    nodes = [
        helper.make_node("Sub", ["column", "mean"], ["centered"]),
        helper.make_node("Mul", ["centered", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "level"], ["prediction"]),
    ]
    constants = {key: np.asarray(value) for key, value in constants.items()}
    save(here, name, nodes, [("prediction", TensorProto.FLOAT, 1)], constants, "sugar")


def labels(here, name, limits):
    """Write a model that gives each label from a body mass index on."""
    constants = {"limits": np.array([limits], np.float32), "half": np.array(0.5, np.float32)}
    nodes = [
        helper.make_node("Sub", ["column", "limits"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
        helper.make_node("GreaterOrEqual", ["probabilities", "half"], ["there"]),
        helper.make_node("Cast", ["there"], ["labels"], to=TensorProto.INT64),
    ]
    gives = [("probabilities", TensorProto.FLOAT, 3), ("labels", TensorProto.INT64, 3)]
    save(here, name, nodes, gives, constants, "sugar_labels", classes=json.dumps(LABELS))


def test_regressions_are_compared_by_r2(clinic, patients, compare):
    bmi, progress = patients
    regression(clinic, "a.onnx", 0)
    regression(clinic, "b.onnx", 8)
    done = compare("a.onnx", "b.onnx", "--json")
    assert not done.err
    (pair,) = done.document["comparisons"]
    r2, error = pair["scores"]
    predicted = 152 + 8 * (bmi - 26)
    assert (r2["score"], pair["verdict"], done.exit_code) == ("r2", "better", 0)
    assert r2["a"] == pytest.approx(metrics.r2_score(progress, np.full(len(progress), 152)), abs=1e-5)
    assert r2["b"] == pytest.approx(metrics.r2_score(progress, predicted), abs=1e-5)
    assert error["b"] == pytest.approx(metrics.mean_absolute_error(progress, predicted), rel=1e-5)
    first, second = ((progress - found) ** 2 / progress.var() for found in (152, predicted))
    assert r2["p_value"] == compare_means(-first, -second, 0.05).p_value
    assert sum(part["rows"] for part in pair["classes"]) == len(ROWS)
    assert pair["disagreements"][0]["a"]["prediction"] == "152"
    assert compare("b.onnx", "a.onnx").exit_code == 1
    text = compare("a.onnx", "b.onnx").out
    assert "Mean absolute error by target, A and B" in text
    assert "site A" in text or "site B" in text


def test_labels_are_compared_by_macro_f1(clinic, patients, compare):
    bmi, progress = patients
    labels(clinic, "a.onnx", (21, 25, 29))
    labels(clinic, "b.onnx", (31, 33, 35))
    done = compare("a.onnx", "b.onnx", "--json")
    (pair,) = done.document["comparisons"]
    f1, exact, _ = pair["scores"]
    truth = progress[:, None] > LIMITS
    found = [bmi[:, None] >= np.array(limits) for limits in ((21, 25, 29), (31, 33, 35))]
    assert (f1["score"], pair["verdict"], done.exit_code) == ("macro_f1", "worse", 1)
    expected = [metrics.f1_score(truth, one, average="macro") for one in found]
    assert [f1["a"], f1["b"]] == pytest.approx(expected, abs=1e-6)
    assert exact["b"] == pytest.approx((found[1] == truth).all(axis=1).mean(), abs=1e-6)
    assert f1["interval"][0] < expected[1] - expected[0] < f1["interval"][1] < 0
    assert [part["label"] for part in pair["classes"]] == list(LABELS)
    assert pair["classes"][0]["b"] == pytest.approx((found[1] == truth)[:, 0].mean(), abs=1e-6)
    assert len(pair["disagreements"]) == (found[0] != found[1]).any(axis=1).sum()
    assert "Share of right answers by label, A and B" in compare("a.onnx", "b.onnx").out


@pytest.mark.parametrize(
    ("write", "poor", "good", "score"),
    [(regression, 0, 8, "r2"), (labels, (31, 33, 35), (21, 25, 29), "macro_f1")],
)
def test_the_champion_is_chosen_by_the_paired_test(clinic, write, poor, good, score):
    write(clinic, "poor.onnx", poor)
    write(clinic, "good.onnx", good)
    candidates = [Candidate(name, clinic.root / name, name) for name in ("poor.onnx", "good.onnx")]
    config, rules = load_config(clinic.project.params), PromotionConfig(max_latency_ratio=9.0)
    verdict = judge(clinic.project, config, rules, *candidates)
    assert verdict.promoted
    assert verdict.evidence["score"] == score
    assert verdict.reason.startswith("better by the paired test: ")
    assert not judge(clinic.project, config, rules, *reversed(candidates)).promoted


def test_the_bootstrap_of_a_mean_is_that_of_the_means():
    first, second = np.random.default_rng(0).normal((0, 0.2), size=(200, 2)).T[..., None]
    of_means = compare_functions(first, second, lambda means: means[..., 0], 0.05)
    expected = compare_means(first[:, 0], second[:, 0], 0.05)
    assert of_means.difference == pytest.approx(expected.difference)
    assert of_means.interval == pytest.approx(expected.interval, abs=0.02)
    assert of_means.p_value == pytest.approx(expected.p_value, abs=0.02)


def test_equal_answers_have_no_difference():
    counts = np.ones((5, 3, 2))
    assert compare_functions(counts, counts, macro_f1, 0.05).p_value == 1
