"""docs/reports.md explains every key of a report."""

import json
import re

import pytest


@pytest.fixture(scope="module")
def text(repository):
    return (repository / "docs/reports.md").read_text()


def keys(content, prefix=""):
    """Dotted keys of a report; names of splits, classes, checks and parts stand for themselves in the text."""
    for key, value in content.items():
        if isinstance(value, dict) and key not in {"classes", "class_shares", "training_inputs", "within", "across"}:
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize(
    ("report", "heading"),
    [
        ("imdb/data.json", "data.json"),
        ("iris/data.json", "data.json"),
        ("iris_mlp/training.json", "training.json"),
        ("mnist_autoencoder/training.json", "training.json"),
        ("mnist_gan/training.json", "training.json"),
        ("imdb_lstm/validation.json", "validation.json"),
        ("mnist_autoencoder/validation.json", "validation.json"),
        ("mnist_gan/validation.json", "validation.json"),
    ],
)
def test_every_key_of_a_report_is_explained(small_run, text, report, heading):
    (section,) = [part for part in text.split("\n## ") if heading in part.splitlines()[0]]
    named = set(re.findall(r"`\.?([\w.<>]+)`", section))
    for key in keys(json.loads((small_run.root / "reports" / report).read_text())):
        general = re.sub(r"^splits\.\w+\.", "splits.<split>.", key)
        general = re.sub(r"^gate\.checks\.\w+\.(?=limit|passed)", "", general)
        general = re.sub(r"^gate\.checks\.\w+\.", "gate.checks.<check>.", general)
        general = re.sub(r"^(duplicates\.(official|splits))\..*", r"\1", general)
        assert general in named, key
