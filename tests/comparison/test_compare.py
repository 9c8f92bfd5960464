"""`penstock compare` on hand-made classifiers: scores, verdicts, exit codes, and the three forms of output."""

import csv
import io
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from rich.console import Console

from penstock.comparison.paired_tests import mcnemar
from penstock.core.console import output
from penstock.io.files import sha256
from tests.helpers.compared_models import FILE, GOOD, LENGTH, POOR

SAME = (2.5, 4.8)


@pytest.fixture
def flowers(here):
    """Petal lengths and labels of the test rows."""
    rows = list(csv.reader((here.root / "data/raw/iris" / FILE).read_text().split()))
    lengths = np.array([float(row[LENGTH]) for row in rows])[::4]
    return lengths, np.arange(0, 150, 4) // 50


def right(flowers, borders):
    lengths, labels = flowers
    return np.digitize(lengths, borders) == labels


def test_a_worse_model_is_named_and_ends_with_1(here, flowers, compare):
    here.write(GOOD)
    here.write(POOR, "other.onnx")
    done = compare("iris_mlp", "other.onnx", "--json")
    good, poor = right(flowers, GOOD), right(flowers, POOR)
    (pair,) = done.document["comparisons"]
    accuracy, loss = pair["scores"]
    assert done.exit_code == 1
    assert (pair["verdict"], accuracy["verdict"], loss["verdict"]) == ("worse", "worse", "worse")
    assert (accuracy["a"], accuracy["b"]) == pytest.approx((good.mean(), poor.mean()), abs=1e-6)
    assert accuracy["difference"] == pytest.approx(poor.mean() - good.mean())
    lost, won = int((good & ~poor).sum()), int((poor & ~good).sum())
    assert accuracy["p_value"] == pytest.approx(mcnemar(lost, won, exact=True))
    assert pair["counts"] == {
        "both_right": int((good & poor).sum()),
        "only_a_right": lost,
        "only_b_right": won,
        "both_wrong": int((~good & ~poor).sum()),
    }


def test_a_better_model_and_an_equal_one_end_with_0(here, compare):
    here.write(POOR)
    here.write(GOOD, "better.onnx")
    here.write(SAME, "same.onnx")
    assert compare("iris_mlp", "better.onnx", "--json").document["comparisons"][0]["verdict"] == "better"
    done = compare("better.onnx", "same.onnx", "--json")
    assert done.exit_code == 0
    assert done.document["comparisons"][0]["verdict"] == "no significant difference"


def test_alpha_decides(here, compare):
    here.write(GOOD)
    here.write(POOR, "other.onnx")
    p_value = compare("iris_mlp", "other.onnx", "--json").document["comparisons"][0]["scores"][0]["p_value"]
    assert compare("iris_mlp", "other.onnx", "--alpha", str(p_value * 1.01)).exit_code == 1
    assert compare("iris_mlp", "other.onnx", "--alpha", str(p_value * 0.99)).exit_code == 0
    done = compare("iris_mlp", "other.onnx", "--alpha", "1")
    assert (done.exit_code, "'1' is not a number between 0 and 1" in done.err) == (2, True)


def test_each_model_is_compared_with_the_first_and_holm_corrects(here, compare):
    here.write(GOOD)
    here.write(POOR, "poor.onnx")
    here.write(SAME, "same.onnx")
    done = compare("iris_mlp", "poor.onnx", "same.onnx", "--json")
    poor, same = (pair["scores"][0] for pair in done.document["comparisons"])
    assert [pair["a"] for pair in done.document["comparisons"]] == ["iris_mlp", "iris_mlp"]
    assert poor["p_adjusted"] == pytest.approx(2 * poor["p_value"])
    assert same["p_adjusted"] == same["p_value"] == 1
    assert done.exit_code == 1


def test_rows_of_disagreement_have_their_input_and_the_telling_ones_come_first(here, flowers, compare):
    here.write(GOOD)
    here.write(POOR, "other.onnx")
    (pair,) = compare("iris_mlp", "other.onnx", "--json").document["comparisons"]
    lengths, labels = flowers
    different = np.flatnonzero(np.digitize(lengths, GOOD) != np.digitize(lengths, POOR))
    found = pair["disagreements"]
    assert sorted(row["row"] for row in found) == list(different)
    gaps = [abs(row["a"]["probability_of_true_label"] - row["b"]["probability_of_true_label"]) for row in found]
    assert gaps == sorted(gaps, reverse=True)
    for row in found:
        assert row["source_row"] == 4 * row["row"]
        assert float(row["input"].split(", ")[LENGTH]) == pytest.approx(lengths[row["row"]])
        assert row["label"] == ("setosa", "versicolor", "virginica")[labels[row["row"]]]


def test_differences_of_classes_are_those_of_their_rows(here, flowers, compare):
    here.write(GOOD)
    here.write(POOR, "other.onnx")
    (pair,) = compare("iris_mlp", "other.onnx", "--json").document["comparisons"]
    good, poor, labels = right(flowers, GOOD), right(flowers, POOR), flowers[1]
    for number, one in enumerate(pair["classes"]):
        of_class = labels == number
        assert one["rows"] == of_class.sum()
        assert (one["a"], one["b"]) == pytest.approx((good[of_class].mean(), poor[of_class].mean()), abs=1e-6)
        assert one["only_a"] - one["only_b"] == good[of_class].sum() - poor[of_class].sum()


@pytest.mark.parametrize("width", [80, 100])
def test_the_tables_fit_the_terminal(here, compare, monkeypatch, width):
    monkeypatch.setattr(Console, "is_terminal", property(lambda console: console is output))
    monkeypatch.setattr(output, "width", width)
    here.write(GOOD)
    here.write(POOR, "a/folder/with/a/long/name/and/another/one/inside/of/that/other.onnx")
    done = compare("iris_mlp", "a/folder/with/a/long/name/and/another/one/inside/of/that/other.onnx")
    assert "38 test rows of iris" in done.out
    assert "is significantly worse than A (iris_mlp): accuracy -" in " ".join(done.out.split())
    tables = done.out.rpartition("\nB (")[0]
    assert max(map(len, tables.splitlines())) <= width
    assert done.err == ""


def test_nothing_is_cut_in_a_pipe(here, compare):
    here.write(GOOD)
    name = "a/folder/with/a/long/name/and/another/one/inside/of/that/and/one/more/other.onnx"
    here.write(POOR, name)
    shown = compare("iris_mlp", name).out
    assert "…" not in shown
    assert name in shown


def test_only_ten_rows_are_shown(here, compare):
    here.write(GOOD)
    here.write((0.0, 0.0), "other.onnx")
    rows = len(compare("iris_mlp", "other.onnx", "--json").document["comparisons"][0]["disagreements"])
    assert rows > 10
    shown = compare("iris_mlp", "other.onnx").out
    assert f"answer differently: {rows}" in shown
    assert f"{rows - 10} more in --json." in shown


def test_markdown_is_tables_of_equal_length(here, compare):
    here.write(GOOD)
    here.write(POOR, "other.onnx")
    done = compare("iris_mlp", "other.onnx", "--markdown")
    assert done.exit_code == 1
    assert done.out.startswith("B (other.onnx) is significantly worse than A (iris_mlp)")
    tables = [block.splitlines() for block in done.out.split("\n\n") if block.startswith("|")]
    assert len(tables) >= 4
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
        assert set(table[1]) <= set("|:- ")


def test_json_is_valid_though_a_metric_is_not_a_number(here, compare):
    path = here.write(GOOD)
    report = here.project.model("iris_mlp", "models").validation_report
    report.write_text(json.dumps({"onnx": {"sha256": sha256(path)}, "parity": {"max_abs_diff": float("nan")}}))
    done = compare("iris_mlp", "iris_mlp", "--json")
    assert "NaN" not in done.out
    assert done.document["models"][0]["metrics"]["parity/max_abs_diff"] is None


def test_measured_scores_replace_recorded_ones(here, flowers, compare):
    here.write(GOOD)
    here.write(POOR, "other.onnx")
    first, other = compare("iris_mlp", "other.onnx", "--json").document["models"]
    assert first["metrics"]["test/accuracy"] == pytest.approx(right(flowers, GOOD).mean(), abs=1e-6)
    assert first["metrics"]["parity/max_abs_diff"] == 0.25, "of the report"
    assert "parity/max_abs_diff" not in other["metrics"], "the report is of another file"


def test_parameters_are_those_of_params_yaml_only_for_files_trained_with_them(here, compare):
    here.write(GOOD)
    here.write(POOR, "other.onnx", parameters="of other settings")
    done = compare("iris_mlp", "other.onnx", "--json")
    first, other = done.document["models"]
    assert first["parameters"]["training.epochs"] == "100"
    assert other["parameters"] is None
    assert "The parameters of B are not known" in " ".join(compare("iris_mlp", "other.onnx").out.split())


def test_the_same_file_is_said_to_be_the_same(here, compare):
    here.write(GOOD)
    done = compare("iris_mlp", "models/iris_mlp/model.onnx")
    assert done.exit_code == 0
    assert "B (models/iris_mlp/model.onnx) is the same file as A (iris_mlp)." in done.out


def test_other_test_rows_are_refused(here, compare):
    here.write(GOOD)
    here.write(GOOD, "other.onnx", data="0123456789.dir")
    done = compare("iris_mlp", "other.onnx")
    assert done.exit_code == 2
    assert "other.onnx: made from other processed data of iris (01234567)" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"dataset": "mnist"}, "has the dataset mnist, and iris_mlp has iris; only"),
        (
            {"classes": '["a", "b", "c"]'},
            "has the classes a, b, c, and iris_mlp has setosa, versicolor, virginica; only",
        ),
    ],
)
def test_models_of_something_else_are_refused(here, compare, metadata, reason):
    here.write(GOOD)
    here.write(GOOD, "other.onnx", **metadata)
    done = compare("iris_mlp", "other.onnx")
    assert (done.exit_code, len(done.err.splitlines())) == (2, 1)
    assert f"error: other.onnx: {reason}" in done.err


def test_a_damaged_file_and_one_without_metadata_are_one_line(here, compare):
    here.write(GOOD)
    (here.root / "damaged.onnx").write_bytes(b"no model")
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["label"])],
        "foreign",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, [1])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
        here.root / "foreign.onnx",
    )
    for name, reason in (("damaged", "onnxruntime cannot load damaged.onnx"), ("foreign", "its metadata do not have")):
        done = compare("iris_mlp", f"{name}.onnx")
        assert (done.exit_code, len(done.err.splitlines())) == (2, 1)
        assert f"error: {name}.onnx: {reason}" in done.err


def test_missing_data_are_named_with_the_remedy(here, compare):
    here.write(GOOD)
    (here.root / "data/raw/iris" / FILE).unlink()
    done = compare("iris_mlp", "iris_mlp")
    assert (done.exit_code, FILE in done.err) == (2, True)
    (here.root / "data/raw/iris").rmdir()
    assert "data/raw/iris: no such folder; `dvc pull data/raw/iris`" in compare("iris_mlp", "iris_mlp").err


def test_markdown_escapes_what_would_end_a_cell(here, compare):
    """Every line of a Markdown table is one row."""
    here.write(GOOD)
    here.write(POOR, "a|b.onnx")
    table = compare("iris_mlp", "a|b.onnx", "--markdown").out.split("\n\n")[2]
    assert "a\\|b.onnx" in table
    assert len(list(io.StringIO(table))) == 4
