"""An entry of params.yaml is edited as text: the new settings are read back, and nothing else changes."""

import re

import pytest
from dvc.utils.serialize import modify_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from penstock.config.edits import edited, with_copy
from penstock.config.loading import load_config
from penstock.config.model_keys import changed_entry, model_keys
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "params.yaml").read_text()
CONFIG = load_config(REPOSITORY / "params.yaml")
OPTIMIZER = "training.optimizer.kind"


def loaded(text):
    return YAML(typ="safe").load(text)


def comments(text):
    return re.findall(r"(?:^|\s)#.*", text)


def lines_of(text, block, name):
    """Return where the lines of an entry begin and end."""
    begin = text.index(f"\n  {name}:", text.index(f"\n{block}:")) + 1
    length = next(re.finditer(r"\n(?=  \w|\n)", f"{text[begin:]}\n\n")).start()
    return begin, begin + length


@st.composite
def changes(draw):
    """A model and other values of some of its settings, of the right types."""
    name = draw(st.sampled_from(sorted(CONFIG.every_model)))
    keys = model_keys(CONFIG.model(name))
    numbers = {float: st.floats(1e-7, 0.9), int: st.integers(1, 10**6), None: st.nothing()}
    values = {}
    for key in draw(st.lists(st.sampled_from([key for key in keys if keys[key]]), max_size=4, unique=True)):
        values[key] = draw(numbers[keys[key]])
    for key in {"network.hidden_sizes", "network.dense"} & keys.keys():
        values |= draw(st.fixed_dictionaries({}, optional={key: st.lists(st.integers(1, 99), max_size=3)}))
    values |= draw(st.fixed_dictionaries({}, optional={"training.ema_decay": st.none()}))
    if OPTIMIZER in keys:
        values |= draw(st.fixed_dictionaries({}, optional={OPTIMIZER: st.sampled_from(["sgd", "adagrad", "rmsprop"])}))
    return name, {key: values[key] for key in values if not any(key.startswith(f"{one}.") for one in values)}


@given(changes(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_only_the_lines_of_the_model_change(change, is_copied):
    name, values = change
    model, block = CONFIG.model(name), CONFIG.block_of_model(name)
    entry, target = changed_entry(model, values), "another" if is_copied else name
    text = with_copy(TEXT, [block, name], target) if is_copied else TEXT
    result = edited(text, [block, target], model.model_dump(mode="json", exclude_unset=True), entry)
    expected = loaded(TEXT)
    expected[block][target] = entry
    assert loaded(result) == expected
    begin, end = lines_of(TEXT, block, name)
    kept = end if is_copied else begin
    assert result.startswith(TEXT[:kept])
    assert result.endswith(TEXT[end:])
    copied = comments(TEXT[begin:end]) if is_copied else []
    assert sorted(comments(result)) == sorted(comments(TEXT) + copied)


BLOCK = """\
# before
models:
  one:   # the first
    training: # how
      # above
      optimizer:   # which
        kind: 'adam'  # quoted
        betas: [0.9, 0.99]
        learning_rate: 0.010
      sizes:  # of layers
      - 10   # one
      flow: {a: 1,  b: [1, 2], c: 3}
    # at the end
  two: {}
"""


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        ({"optimizer": {"kind": "sgd"}}, "kind: 'adam'", "kind: 'sgd'"),
        ({"optimizer": {"learning_rate": 0.5}}, "learning_rate: 0.010", "learning_rate: 0.5"),
        ({"optimizer": {"betas": None}}, "[0.9, 0.99]", "null"),
        ({"optimizer": {"betas": [0.9, 0.5]}}, "[0.9, 0.99]", "[0.9, 0.5]"),
        ({"optimizer": {"betas": ...}}, "        betas: [0.9, 0.99]\n", ""),
        ({"optimizer": {"momentum": 0.9}}, "rate: 0.010\n", "rate: 0.010\n        momentum: 0.9\n"),
        ({"sizes": [20]}, "- 10   # one", "- 20   # one"),
        ({"sizes": [20, 30]}, "- 10   # one", "- 20\n      - 30   # one"),
        ({"flow": {"a": ...}}, "{a: 1,  b", "{b"),
        ({"flow": {"c": ...}}, ", c: 3}", "}"),
        ({"flow": {"a": ..., "b": ..., "c": ...}}, "{a: 1,  b: [1, 2], c: 3}", "{}"),
        ({"flow": {"b": [1, 2, 3], "d": "yes"}}, "[1, 2], c: 3}", "[1, 2, 3], c: 3, d: yes}"),
        ({"new": [1]}, "c: 3}\n", "c: 3}\n      new:\n      - 1\n"),
        ({"new": {"filters": [1]}}, "c: 3}\n", "c: 3}\n      new: {filters: [1]}\n"),
    ],
)
def test_a_change_leaves_layout_and_comments(change, old, new):
    before = loaded(BLOCK)["models"]["one"]
    after = loaded(BLOCK)["models"]["one"]
    for key, value in change.items():
        if not isinstance(value, dict) or key not in after["training"]:
            after["training"][key] = value
            continue
        after["training"][key] |= value
        after["training"][key] = {name: one for name, one in after["training"][key].items() if one is not ...}
    result = edited(BLOCK, ["models", "one"], before, after)
    assert loaded(result)["models"]["one"] == after
    assert result == BLOCK.replace(old, new)


def test_a_copy_follows_the_entry():
    copied = with_copy(BLOCK, ["models", "one"], "other")
    entry = BLOCK[BLOCK.index("  one:") : BLOCK.index("    # at the end")]
    assert copied == BLOCK.replace(entry, entry + entry.replace("one:   # the", "other:   # the"))


def test_the_last_entry_needs_no_line_end():
    text = "a:\n  b:\n    c: 1"
    assert edited(text, ["a", "b"], {"c": 1}, {"c": 1, "d": 2}) == f"{text}\n    d: 2"
    assert with_copy(text, ["a", "b"], "e") == f"{text}\n  e:\n    c: 1"


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        ("a: {b: 1,\n  c: [1, 2]}  # why\n", {"c": [1, 2]}, {"c": [1, 2, 3]}, "a: {b: 1,\n  c: [1, 2, 3]}  # why\n"),
        ("a:\n  b: 1\n  c:\n", {"c": None}, {"c": 0.5}, "a:\n  b: 1\n  c: 0.5\n"),
        ("a:\n  b: 1\n  c: 'x'\n", {"c": "x"}, {"c": "it's"}, "a:\n  b: 1\n  c: it's\n"),
        ("a:\n  b: 1\n  c: 'x'\n", {"c": "x"}, {"c": "a: b"}, "a:\n  b: 1\n  c: 'a: b'\n"),
    ],
)
def test_unusual_places_of_a_value_stay_valid(text, old, new, expected):
    assert edited(text, ["a"], {"b": 1} | old, {"b": 1} | new) == expected


def test_dvc_leaves_an_edited_file_as_it_is(tmp_path):
    """Otherwise the next `dvc exp run -S` would change other lines, too."""
    path, model = tmp_path / "params.yaml", CONFIG.model("mnist_cnn_deep")
    blocks = [{"filters": 8, "pool": 2}, {"filters": 16}]
    entry = changed_entry(model, {"network.blocks": blocks, "network.dense": [], "training.optimizer.kind": "sgd"})
    old = model.model_dump(mode="json", exclude_unset=True)
    path.write_text(edited(TEXT, ["models", "mnist_cnn_deep"], old, entry))
    before = path.read_text()
    with modify_yaml(path):
        pass
    assert path.read_text() == before != TEXT
