"""`search` in params.yaml: its form is checked whenever the file is read."""

import pytest
from ruamel.yaml import YAML

from penstock.config.loading import load_config
from penstock.config.search import NumberRangeConfig
from penstock.core.errors import ConfigError
from penstock.io.files import canonical_hash
from penstock.io.provenance import training_relevant_settings


@pytest.fixture
def with_search(repository, tmp_path):
    """Return a function that writes params.yaml with another space of iris_mlp, and returns its path."""
    text = (repository / "params.yaml").read_text()

    def write(values):
        path = tmp_path / "params.yaml"
        path.write_text(f"{text[: text.index('search:')]}search:\n  iris_mlp:\n    space:\n      {values}\n")
        return path

    return write


@pytest.mark.parametrize(
    ("values", "key", "says"),
    [
        ("training.l2: {low: 1, high: 1}", "training.l2.low", "must be below high"),
        ("training.l2: {low: 0, high: 1, log: true}", "training.l2.low", "above 0 with log: true"),
        ("training.l2: {low: 1, high: 2, log: true, step: 1}", "training.l2.step", "only without log: true"),
        ("training.l2: {low: 1, high: 2, step: 0}", "training.l2.step", "must be above 0"),
        ("training.l2: {low: 1, high: 2, step: 0.3}", "training.l2.step", "must divide high - low, 1,"),
        ("training.l2: {low: 1, hihg: 2}", "training.l2.hihg", "did you mean 'high'?"),
        ("training.l2: {low: 1}", "training.l2.high", "missing key"),
        ("training.l2: {low: a, high: b}", "training.l2.low", "must be a number, not 'a'"),
        ("training.l2: {choices: []}", "training.l2.choices", "at least one entry"),
        ("training.l2: {choices: [1, 1]}", "training.l2.choices.1", "is listed twice"),
        ("training.l2: 1", "training.l2", "list the values"),
        ("Training L2: [1]", "Training L2", "match pattern"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_key(with_search, values, key, says):
    path = with_search(values)
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    line = str(raised.value).splitlines()[0]
    assert line.startswith(f"params.yaml:{len(path.read_text().splitlines())}: search.iris_mlp.space.{key}: ")
    assert says in line


def test_a_list_alone_means_choices(with_search):
    spaces = [load_config(with_search(f"training.l2: {form}")).search for form in ("[0, 1]", "{choices: [0, 1]}")]
    assert spaces[0] == spaces[1]
    assert spaces[0]["iris_mlp"].space == {"training.l2": (0, 1)}


def test_a_range_keeps_its_numbers(with_search):
    space = load_config(with_search("training.batch_size: {low: 8, high: 64, step: 8}")).search["iris_mlp"].space
    assert space == {"training.batch_size": NumberRangeConfig(low=8, high=64, step=8)}


def test_a_space_changes_no_provenance_of_a_model(config, with_search):
    other = load_config(with_search("training.l2: [0, 1]"))
    assert other.search != config.search
    for name in config.every_model:
        before, after = (canonical_hash(training_relevant_settings(one, name)) for one in (config, other))
        assert before == after


def test_no_stage_depends_on_a_search(repository):
    for pipeline in ("dvc.yaml", "tuned/dvc.yaml", "tuned/seeds/dvc.yaml"):
        stages = YAML(typ="safe").load(repository / pipeline)["stages"]
        params = [one for stage in stages.values() for one in stage.get("do", stage).get("params", [])]
        assert params
        assert not [one for one in params if str(one).startswith(("search", "{'search"))]
