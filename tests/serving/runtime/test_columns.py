"""Columns of a model from its inputs and metadata."""

import json

import pytest

from penstock.serving.codecs.tensors import TensorSpec
from penstock.serving.runtime.columns import columns_of, targets_of

FEATURES = [TensorSpec("features", "FP32", (-1, 2))]
AGE, SEX = TensorSpec("age", "FP32", (-1,)), TensorSpec("sex", "BYTES", (-1, 1))


def test_the_columns_of_one_input_are_named_by_its_description():
    columns = columns_of(FEATURES, {"input": "length and width in cm", "ranges": "[[1, 2], [3, 4]]"})
    assert [(one.name, one.unit, one.range, one.place) for one in columns] == [
        ("length", "cm", (1, 2), 0),
        ("width", "cm", (3, 4), 1),
    ]
    assert [one.name for one in columns_of(FEATURES, {"input": "100 numbers"})] == ["feature 1", "feature 2"]


@pytest.mark.parametrize(
    "entry", ["", "a, b", "3", "[1]", '["a"]', '[{"name": 1}]', '[{"name": "age"}, {"name": "age"}]', "{}"]
)
def test_a_malformed_entry_is_ignored(entry):
    columns = columns_of([AGE, SEX], {"columns": entry})
    assert [(one.name, one.kind) for one in columns] == [("age", "number"), ("sex", "category")]
    assert targets_of([TensorSpec("prediction", "FP32", (-1, 1))], {"targets": entry}) == []


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"kind": "text"}, {"kind": "number"}),
        ({"kind": "image"}, {"kind": "number"}),
        ({"range": [3, 1]}, {"range": None}),
        ({"range": "wide"}, {"range": None}),
        ({"missing": "none"}, {"missing": None}),
        ({"missing": -1}, {"missing": -1}),
        ({"unit": 3}, {"unit": ""}),
        ({"categories": [1, 2]}, {"categories": ()}),
    ],
)
def test_a_key_that_does_not_fit_the_input_is_ignored(told, kept):
    (age, _) = columns_of([AGE, SEX], {"columns": json.dumps([{"name": "age", **told}])})
    assert {key: getattr(age, key) for key in kept} == kept


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (TensorSpec("x", "BYTES", (-1,)), "text"),
        (TensorSpec("x", "BOOL", (-1, 1)), "boolean"),
        (TensorSpec("x", "UINT8", (-1, 28, 28)), "image"),
        (TensorSpec("x", "UINT8", (-1, -1, -1, 3)), "image"),
        (TensorSpec("x", "FP32", (-1, 28, 28)), "tensor"),
        (TensorSpec("x", "FP32", ()), "number"),
        (TensorSpec("x", "FP32", (-1, 1000)), "tensor"),
    ],
)
def test_the_kind_follows_from_type_and_shape(spec, kind):
    assert [one.kind for one in columns_of([spec], {})] == [kind]


def test_an_empty_text_may_stand_for_a_missing_value():
    (_, sex) = columns_of([AGE, SEX], {"columns": '[{"name": "sex", "missing": ""}]'})
    assert sex.to_json() == {"name": "sex", "input": "sex", "datatype": "BYTES", "kind": "category", "missing": ""}
