"""Leaks and wrong labels that were put into real texts and images are found, and named by their place in the files."""

import json
import tracemalloc
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix
from sklearn.datasets import load_diabetes, load_digits

from benchmarks.own_sets import write_set
from penstock.data.preprocessing.findings import leaks, learners, sample
from penstock.data.preprocessing.findings.features import block_edge, features, pixel_name
from penstock.data.preprocessing.findings.report import lines
from penstock.io.dataset_info import FIRST_WORD, DatasetInfo
from tests.data.sources.datasets import archive, png


@pytest.fixture
def look_at_images(tmp_path, look_at_file):
    def look_at_images(images, labels):
        names = [f"{label}/{row:04}.png" for row, label in enumerate(labels)]
        (tmp_path / "own.zip").write_bytes(archive(dict(zip(names, map(png, images), strict=True))))
        target = {"kind": "class", "column": "label", "classes": sorted(set(labels))}
        mode = "rgb" if images[0].ndim == 3 else "grey"
        found, looked_at = look_at_file("own.zip", "folder", {"kind": "image", "mode": mode}, target, len(names))
        ordered = sorted(names)  # rows of an archive are in the order of their paths
        return found, {ordered[row] for row in looked_at}, names

    return look_at_images


@pytest.fixture
def look_at_texts(tmp_path, look_at_file):
    def look_at_texts(rows, target):
        (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        inputs = {"kind": "text", "vocab_size": 20_000, "max_length": 400}
        return look_at_file("own.jsonl", "json_lines", inputs, target, len(rows))

    return look_at_texts


@pytest.fixture(scope="module")
def documentation(tmp_path_factory):
    """Documentation strings of scikit-learn: `text` and `module`."""
    path = write_set("docs", tmp_path_factory.mktemp("docs"))
    return [json.loads(line) for line in path.read_text().splitlines()]


def places(found):
    return {one["place"] for one in found["label_suspects"]["most_suspect"]}


def numerals(*digits):
    data = load_digits()
    rows = np.isin(data.target, digits)
    return (data.images[rows] * 15.9).astype(np.uint8), [str(digit) for digit in data.target[rows]]


def test_an_image_in_the_wrong_folder_is_named(look_at_images):
    images, labels = numerals(0, 1, 4)
    wrong = np.random.default_rng(0).choice(len(labels), 15, replace=False)
    for row in wrong:
        labels[row] = {"0": "1", "1": "4", "4": "0"}[labels[row]]
    found, looked_at, names = look_at_images(images, labels)
    moved = {f"own.zip: {names[row]}" for row in wrong if names[row] in looked_at}
    assert len(places(found) & moved) >= 0.8 * len(moved)
    assert len(places(found) - moved) <= 1
    assert found["leak_suspects"] == []
    assert set(found) == {"rows", "leak_suspects", "label_suspects", "skipped"}
    assert next(lines(found)).startswith(f"suspect labels: {found['label_suspects']['count']} in {len(looked_at)} rows")


def test_a_mark_on_all_images_of_a_class_is_a_leak(look_at_images):
    images, labels = numerals(2, 3, 5)
    images[np.array(labels) == "3", 7, 0] = 255
    found, _, _ = look_at_images(images, labels)
    assert found["leak_suspects"] == [{"input": "pixel at row 7, column 0", "target": "3", "score": 1.0}]


def test_once_three_pixels_tell_a_class_no_others_are_tried(look_at_images, monkeypatch):
    name = Mock(wraps=pixel_name)
    monkeypatch.setattr(leaks, "pixel_name", name)
    images, labels = numerals(2, 3)
    images[np.array(labels) == "3", :4, :4] = 255
    found, _, _ = look_at_images(images, labels)
    assert [one["score"] for one in found["leak_suspects"]] == [1, 1, 1]
    assert name.call_count == 3


def test_a_mark_is_found_in_one_colour_of_large_images(look_at_images):
    images, labels = numerals(2, 3)
    images = np.random.default_rng(0).integers(0, 99, (len(labels), 70, 50, 3), dtype=np.uint8)
    images[np.array(labels) == "2", 60:66, 3:9, 1] += 100
    found, _, _ = look_at_images(images, labels)
    named = {one["input"] for one in found["leak_suspects"]}
    assert {one["target"] for one in found["leak_suspects"]} == {"3"}, "one of two classes is enough"
    assert named <= {f"3 x 3 pixels at row {y}, column {x} (green)" for y in (60, 63) for x in (3, 6)}


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 80), st.integers(1, 80), st.sampled_from([1, 3]))),
    st.data(),
)
def test_a_feature_of_an_image_is_the_mean_of_the_block_that_its_name_says(images, data):
    images = images[..., 0] if images.shape[-1] == 1 else images
    shape = images.shape[1:]
    info = DatasetInfo(dataset="own", kind="image", shape=shape, vocab_size=0, classes=(), description="an image")
    found = features(info, [(images, np.arange(len(images))), (images[:0], np.arange(0))])
    number = data.draw(st.integers(0, found.shape[1] - 1))
    name, edge = pixel_name(number, shape), block_edge(shape)
    row, column = (int(word.rstrip(",")) for word in name.partition(" at row ")[2].split()[::2][:2])
    block = images[:, row : row + edge, column : column + edge]
    if images.ndim == 4:
        block = block[..., ["(red)", "(green)", "(blue)"].index(name.split()[-1])]
    assert found.shape[1] <= 32 * 32 * (3 if images.ndim == 4 else 1)
    assert np.array_equal(found[:, number], block.mean(axis=(1, 2)).astype(np.uint8))


def test_texts_of_the_wrong_class_are_named_by_their_line(documentation, look_at_texts):
    rows = [dict(row) for row in documentation if row["module"] in ("metrics", "linear_model")]
    wrong = np.random.default_rng(0).choice(len(rows), 10, replace=False)
    for row in wrong:
        rows[row]["module"] = "metrics" if rows[row]["module"] == "linear_model" else "linear_model"
    target = {"kind": "class", "column": "module", "classes": ["linear_model", "metrics"]}
    found, looked_at = look_at_texts(rows, target)
    moved = {f"own.jsonl:{row + 1}" for row in wrong if row in looked_at}
    assert len(places(found) & moved) >= 0.5 * len(moved)
    assert len(places(found) - moved) <= 2
    assert found["leak_suspects"] == []


def test_a_word_that_tells_a_class_is_a_leak(documentation, look_at_texts):
    rows = [dict(row) for row in documentation if row["module"] in ("metrics", "svm", "linear_model")]
    for row in rows:
        row["text"] += " Ticket closed." if row["module"] == "metrics" else " Ticket."
    target = {"kind": "class", "column": "module", "classes": ["linear_model", "metrics", "svm"]}
    found, _ = look_at_texts(rows, target)
    assert found["leak_suspects"] == [{"input": "word 'closed'", "target": "metrics", "score": 1.0}]
    assert next(lines(found)) == "leak suspects, which alone predict the target: word 'closed' (metrics: 1.000)"


def test_three_words_of_a_class_are_named(documentation, look_at_texts):
    rows = [dict(row) for row in documentation if row["module"] in ("metrics", "svm", "linear_model")]
    for row in rows:
        row["text"] += " uno dos tres cuatro" if row["module"] == "svm" else ""
    target = {"kind": "class", "column": "module", "classes": ["linear_model", "metrics", "svm"]}
    found, _ = look_at_texts(rows, target)
    assert len(found["leak_suspects"]) == 3
    assert {one["target"] for one in found["leak_suspects"]} == {"svm"}


def test_padding_and_unknown_words_are_not_counted():
    info = DatasetInfo(dataset="own", kind="text", shape=(6,), vocab_size=4, classes=(), description="a text")
    ids = np.array([[0, 0, 1, 2, 3, 2], [0, 1, 1, 1, 1, 3]], dtype=np.int32)
    assert features(info, [(ids, np.arange(2))]).toarray().tolist() == [[0, 0, 2, 1], [0, 0, 0, 1]]


def test_texts_are_counted_without_all_their_padding_in_memory():
    info = DatasetInfo(dataset="own", kind="text", shape=(500,), vocab_size=9, classes=(), description="a text")
    ids = np.zeros((5_000, 500), dtype=np.int32)
    ids[:, -1] = np.arange(5_000) % 9
    tracemalloc.start()
    counts = features(info, [(ids, np.arange(4_000)), (ids, np.arange(4_000, 5_000))])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < ids.nbytes / 4
    is_word = np.arange(9) >= FIRST_WORD
    assert np.array_equal(counts.toarray(), np.eye(9)[ids[:, -1]] * is_word)


def test_models_of_many_classes_read_the_most_frequent_words_only(monkeypatch):
    generator = np.random.default_rng(0)
    counts = csr_matrix(generator.integers(0, 3, (60, 9)).astype(np.float32))
    given = np.arange(60) % 3
    whole = learners.Linear().classes(counts, given, counts)
    monkeypatch.setattr(learners, "MOST_WEIGHTS", 15)
    found = learners.Linear().classes(counts, given, counts)
    assert np.array_equal(found, learners.Linear().classes(counts[:, :5], given, counts[:, :5]))
    assert not np.allclose(found, whole)


def test_fewer_texts_of_many_classes_are_looked_at(documentation, look_at_texts, monkeypatch):
    monkeypatch.setattr(sample, "ROWS_TIMES_CLASSES", 240)
    monkeypatch.setattr(sample, "ROWS_OF_MANY_CLASSES", 60)
    rows = [row for row in documentation if row["module"] in ("metrics", "svm", "linear_model")]
    target = {"kind": "class", "column": "module", "classes": ["linear_model", "metrics", "svm"]}
    assert look_at_texts(rows, target)[0]["rows"] == 80


def test_each_label_of_a_text_is_looked_at_alone(documentation, look_at_texts):
    rows = [
        {"text": row["text"], "metrics": row["module"] == "metrics", "long": len(row["text"]) > 1_000}
        for row in documentation
        if row["module"] in ("metrics", "linear_model", "cluster")
    ]
    flipped = range(0, len(rows), 20)
    for number in flipped:
        rows[number]["metrics"] = not rows[number]["metrics"]
    found, looked_at = look_at_texts(rows, {"kind": "labels", "columns": ["metrics", "long"]})
    of_metrics = {one["place"] for one in found["label_suspects"]["most_suspect"] if one["target"] == "metrics"}
    changed = {f"own.jsonl:{number + 1}" for number in flipped if number in looked_at}
    assert len(of_metrics & changed) >= 0.5 * len(changed)


def test_a_number_beside_a_text_is_compared_with_a_prediction(look_at_texts):
    heavy = load_diabetes(as_frame=True).frame.bmi > 0
    rows = [
        {"text": f"{'heavy' if one else 'light'} person", "weight": (90.0 if one else 60.0) + row % 7}
        for row, one in enumerate(heavy)
    ]
    rows[100]["weight"] = 900.0
    found, looked_at = look_at_texts(rows, {"kind": "number", "columns": ["weight"]})
    assert 100 in looked_at
    assert places(found) == {"own.jsonl:101"}
    assert found["leak_suspects"] == []
