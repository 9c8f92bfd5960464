"""Old keys and values of params.yaml are reported with their new names; anchors and merge keys are rejected."""

import pytest

from penstock import cli
from penstock.config.loading import load_config
from penstock.config.renamed import CHANGED, RENAMED, outdated
from penstock.core.errors import ConfigError

OLD = """\
datasets:
  imdb:
    official: [a]
    files: {}
    inputs: {kind: text, vocabulary: 40000, length: 500}
    split: {block: 250}
    limit: null
    expect: {class_share: [0, 1], values: [0, 1]}
judges: {}
common:
  training: &training {weight_average: null}
models:
  one:
    documented: text
    network: {kind: mlp, hidden: [10], dropout: 0}
    training:
      <<: *training
      optimizer: {kind: rmsprop, smoothing: 0.9}
      schedule: {kind: one_cycle, warm_up: 0.3}
    int8: adopted
  two:
    network:
      kind: recurrent
      words: {vocabulary: 1, length: 1, width: 1, begin: neighbours, dropout: 0}
      hidden: 5
      layers: 2
    training:
      schedule: {kind: step, decay: 0.1}
      weight_average: 0.9
  three:
    network: {kind: gan, noise: 1, generator: [1], discriminator: [1], slope: 0.2, dropout: 0}
    training: {generator: {smoothing: 0.9}, discriminator: {smoothing: 0.9}}
seeds: 3
tuned:
  four:
    network: {kind: ngrams, order: 3, runs: 1, places: 1, rows_per_vote: 1, least_votes: 1}
  five:
    network: {kind: convolutional, kernel: 3}
  six:
    network: {kind: attention, heads: 1}
  seven:
    network: {kind: autoencoder, code: 1}
  eight:
    network: {kind: attention, words: {begin: uniform}}
  nine:
    network: {kind: attention, tokens: {init: neighbours}}
baselines:
  ten: {kind: components, dataset: mnist, components: 32}
"""


def test_each_old_key_and_value_is_reported_once_with_its_line_and_new_name():
    found = outdated("params.yaml", OLD)
    assert "params.yaml:29: models.two.training.weight_average: renamed to ema_decay" in found
    assert "params.yaml:15: models.one.network.hidden: renamed to hidden_sizes" in found
    assert "params.yaml:25: models.two.network.hidden: renamed to hidden_size" in found
    assert "params.yaml:31: models.three.network.dropout: renamed to discriminator.dropout" in found
    assert "params.yaml:33: seeds: renamed to num_seeds" in found
    assert "params.yaml:24: models.two.network.words.begin: renamed to init, and neighbours to ppmi" in found
    assert "params.yaml:44: tuned.eight.network.words.begin: renamed to init" in found
    assert "params.yaml:46: tuned.nine.network.tokens.init: neighbours is renamed to ppmi" in found
    assert "params.yaml:48: baselines.ten.kind: components is renamed to pca" in found
    assert not any("models.one.network.dropout" in line or "mlp.kind" in line for line in found)
    told = {line.split(": ", 2)[2] for line in found}
    assert {f"renamed to {new}" for new in RENAMED.values()} | set(CHANGED.values()) <= told
    assert len(found) == len(set(found))


def test_anchors_and_merge_keys_are_rejected_with_their_lines_and_the_reason():
    (line,) = [line for line in outdated("params.yaml", OLD) if "anchors" in line]
    assert line.startswith("params.yaml:11: anchors and merge keys are not supported: DVC expands them")
    assert line.endswith("(lines 11, 17)")


DESCRIBED = """\
datasets:
  iris:
    files: {a.csv: {}}
    inputs: {kind: table}
    split: {seed: 1}
  mnist:
    inputs: {kind: image}
  wine:
    source: {kind: csv}
    inputs: {kind: table}
"""


def test_an_entry_without_source_and_target_is_one_line_that_says_what_to_add():
    assert outdated("params.yaml", DESCRIBED) == [
        f"params.yaml:{line}: datasets.{name}: no file in src/penstock/data/datasets/ reads it any more; add {keys}, "
        "which describe how its files are read and what is predicted (README.md, Add a dataset)"
        for line, name, keys in [
            (2, "iris", "`source`, `inputs.columns` and `target`"),
            (6, "mnist", "`source` and `target`"),
        ]
    ]


def test_the_shipped_file_has_no_old_key(repository):
    assert outdated("params.yaml", (repository / "params.yaml").read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("optimizer: {kind: adam, ", "optimizer: &adam {kind: adam, ", "anchors and merge keys"),
        ("\nnum_seeds:", "\nseeds:", "seeds: renamed to num_seeds"),
        ("{kind: pca,", "{kind: components,", "baselines.mnist_components.kind: components is renamed to pca"),
        ("init: ppmi", "init: neighbours", "network.tokens.init: neighbours is renamed to ppmi"),
    ],
)
def test_loading_rejects_old_keys_and_values(repository, tmp_path, old, new, says):
    (tmp_path / "params.yaml").write_text((repository / "params.yaml").read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=says) as raised:
        load_config(tmp_path / "params.yaml")
    assert len(str(raised.value).splitlines()) == 1


def test_penstock_check_reports_old_keys(linked_project, monkeypatch, capsys):
    (linked_project / "params.yaml").write_text(OLD)
    monkeypatch.chdir(linked_project)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["check"])
    assert "error: params.yaml:9: judges: renamed to fid_references\n" in capsys.readouterr().err
