"""Search spaces: checked against the model, drawn by Optuna, listed as a grid, and put into the settings."""

import optuna
import pytest

from penstock import cli
from penstock.config.loading import load_config
from penstock.core.errors import ConfigError
from penstock.search.space import SearchSpace, apply, require_valid_spaces

LEARNING_RATE = "training.optimizer.learning_rate"
KIND = "training.optimizer.kind"
MOMENTUM = "training.optimizer.momentum"


@pytest.fixture
def grid(config):
    def read(*options, model="iris_mlp"):
        return SearchSpace.of_grid(options, config, model)

    return read


@pytest.fixture
def space(config, tmp_path):
    """Return a function that reads a space from a file, as `--space` does."""

    def read(text, model="iris_mlp"):
        path = tmp_path / "space.yaml"
        path.write_text(text)
        return SearchSpace.of_file(path, config, model)

    return read


def drawn(space, count=30):
    """Return parameters in Optuna and settings of several trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    trials = [study.ask() for _ in range(count)]
    return [(space.suggest(trial), trial.params) for trial in trials]


def test_the_shipped_spaces_fit_their_models(repository, config):
    require_valid_spaces(repository / "params.yaml", config)
    assert {"iris_mlp", "mnist_cnn", "imdb_lstm"} <= config.search.keys()
    for model in config.search:
        space = SearchSpace.of_params(repository / "params.yaml", config, model)
        for values, parameters in drawn(space, 10):
            assert space.values(parameters) == values
            assert apply(config, model, values).model(model) != config.model(model)


def test_a_grid_has_every_combination_in_order(grid):
    found = grid("optimizer.kind=sgd,adam", "batch_size=8,16").grid()
    assert found == [
        {KIND: "sgd", "training.batch_size": 8},
        {KIND: "sgd", "training.batch_size": 16},
        {KIND: "adam", "training.batch_size": 8},
        {KIND: "adam", "training.batch_size": 16},
    ]


def test_a_setting_is_tried_only_with_the_kinds_that_have_it(grid):
    space = grid("optimizer.momentum=0.5,0.9", "optimizer.kind=sgd,adam")
    assert space.grid() == [{MOMENTUM: 0.5, KIND: "sgd"}, {MOMENTUM: 0.9, KIND: "sgd"}, {KIND: "adam"}]
    for values, parameters in drawn(space):
        assert (MOMENTUM in values) == (values[KIND] == "sgd")
        assert space.values(parameters) == values


def test_values_of_a_grid_are_those_of_yaml(grid):
    space = grid("hidden_sizes=[10],[16,16],[]", "ema_decay=null,0.99", "l2=1e-4,0")
    assert space.dimensions == {
        "network.hidden_sizes": ([10], [16, 16], []),
        "training.ema_decay": (None, 0.99),
        "training.l2": (0.0001, 0),
    }
    assert {type(values["network.hidden_sizes"]) for values, _ in drawn(space)} == {list}


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("kind=sgd", "kind: may be network.kind, training.optimizer.kind or training.schedule.kind; write the whole"),
        ("optimizer.kind=sgdd", "optimizer.kind: unknown kind 'sgdd'; did you mean 'sgd'?"),
        ("batch_size=0", "batch_size: input should be greater than or equal to 1, not 0"),
        ("batch_size=8.5", "batch_size: input should be a valid integer, not 8.5"),
        ("learnin_rate=1", "did you mean 'learning_rate'?"),
        ("training.batchsize=1", "did you mean 'training.batch_size'?"),
        ("optimizer.momentum=0.9", "optimizer.momentum: the model has no such setting"),
        ("hidden_sizes=[10],[0]", "hidden_sizes: input should be greater than or equal to 1, not 0"),
        ("hidden_sizes.1=3", "the model has no such setting"),
        ("cross_validation=false", "gates.cross_validation: needs training.cross_validation: true"),
        ("batch_size=1,1", "batch_size.1: is listed twice"),
        ("batch_size=[1", "are not values in YAML"),
        ("batch_size", "write KEY=a,b,c"),
        ("batch_size=", "write KEY=a,b,c"),
        ("task=classification", "the model has no such setting"),
    ],
)
def test_a_wrong_option_is_named_with_its_remedy(grid, option, says):
    with pytest.raises(ConfigError) as raised:
        grid(option)
    assert str(raised.value).startswith(f"--grid {option.partition('=')[0]}")
    assert says in str(raised.value)


def test_a_setting_inside_another_one_is_refused(space):
    with pytest.raises(ConfigError, match=r"space.yaml:2: .*learning_rate and training.optimizer overlap; vary one"):
        space("optimizer: [{kind: sgd, learning_rate: 0.1}]\ntraining.optimizer.learning_rate: [0.1, 0.2]\n")


def test_a_model_without_a_score_has_no_space(grid):
    with pytest.raises(ConfigError, match="mnist_gan: a model of task adversarial has no validation score"):
        grid("batch_size=8,16", model="mnist_gan")


def test_a_space_file_that_is_missing_is_named(config, tmp_path):
    with pytest.raises(ConfigError, match=r"--space .*space.yaml: no such file$"):
        SearchSpace.of_file(tmp_path / "space.yaml", config, "iris_mlp")


def test_one_setting_is_named_once(grid):
    with pytest.raises(ConfigError, match=r"training\.batch_size is given twice"):
        grid("batch_size=8", "training.batch_size=16")


def test_mistakes_in_a_file_are_named_by_line(space):
    with pytest.raises(ConfigError) as raised:
        space("batch_size: {low: 8.5, high: 64}\n")
    assert str(raised.value) == "space.yaml:1: batch_size: takes integers: low, high and step must be some"
    with pytest.raises(ConfigError) as raised:
        space("batch_size: [8, 16]\ndropout: {low: 0.0, high: 1.5}\nloss: [mse]\n")
    assert [line.partition(": ")[0] for line in str(raised.value).splitlines()] == ["space.yaml:2", "space.yaml:3"]
    with pytest.raises(ConfigError, match=r"space\.yaml:1: optimizer\.kind: is no number; list its values"):
        space("optimizer.kind: {low: 1, high: 2}\n")
    with pytest.raises(ConfigError, match=r"space\.yaml:1: l2\.high: missing key"):
        space("l2: {low: 1}\n")
    with pytest.raises(ConfigError, match=r"space\.yaml:1: the file"):
        space("- l2\n")


def test_numbers_are_drawn_in_their_range_and_type(space):
    text = "batch_size: {low: 8, high: 64, step: 8}\nlearning_rate: {low: 0.001, high: 0.1, log: true}\n"
    read = space(f"{text}label_smoothing: {{low: 0, high: 0.2, step: 0.05}}\nl2: {{low: 0, high: 1}}\n")
    for values, parameters in drawn(read):
        assert values["training.batch_size"] in range(8, 65, 8)
        assert 0.001 <= values[LEARNING_RATE] <= 0.1
        assert len(str(values[LEARNING_RATE]).partition(".")[2].lstrip("0")) <= 4, "few digits are left"
        assert values["training.label_smoothing"] in {0.0, 0.05, 0.1, 0.15, 0.2}
        assert isinstance(values["training.l2"], float)
        assert read.values(parameters) == values
    with pytest.raises(ConfigError, match=r"training\.optimizer\.learning_rate: has no step"):
        read.grid()


def test_a_range_with_a_step_is_a_grid(space):
    read = space("label_smoothing: {low: 0.0, high: 0.2, step: 0.05}\nepochs: {low: 3, high: 5}\n")
    assert [one["training.label_smoothing"] for one in read.grid()[::3]] == [0.0, 0.05, 0.1, 0.15, 0.2]
    assert [one["training.epochs"] for one in read.grid()[:3]] == [3, 4, 5]


def test_apply_changes_one_model_alone(config):
    changed = apply(config, "iris_mlp", {"training.batch_size": 8, "network.hidden_sizes.0": 12})
    assert changed.model("iris_mlp").training.batch_size == 8
    assert changed.model("iris_mlp").network.model_dump()["hidden_sizes"] == (12,)
    assert changed.model_copy(update={"models": config.models}) == config
    assert {name for name in config.models if config.models[name] != changed.models[name]} == {"iris_mlp"}
    assert apply(config, "imdb_lstm_tuned", {}) == config


def test_another_kind_keeps_the_settings_that_it_has(config):
    """As `dvc exp run -S` would leave them; what the kind lacks would be an unknown key."""
    before = config.model("imdb_attention").training.model_dump()["optimizer"]
    sgd = apply(config, "imdb_attention", {KIND: "sgd", MOMENTUM: 0.9}).model("imdb_attention").training
    assert before["weight_decay"] == 0.1
    assert sgd.model_dump()["optimizer"] == {"kind": "sgd", "learning_rate": 0.003, "momentum": 0.9}
    constant = apply(config, "iris_mlp", {"training.schedule.kind": "constant"}).model("iris_mlp").training
    assert constant.model_dump()["schedule"] == {"kind": "constant"}


def test_a_block_that_is_left_out_is_made(config):
    changed = apply(config, "mnist_gan", {"training.schedule.kind": "exponential", "training.schedule.gamma": 0.5})
    assert changed.model("mnist_gan").training.model_dump()["schedule"] == {"kind": "exponential", "gamma": 0.5}
    changed = apply(config, "mnist_cnn", {"training.schedule.warmup_fraction": 0.4, "training.augmentation.shift": 2})
    training = changed.model("mnist_cnn").training.model_dump()
    assert training["schedule"] == {"kind": "one_cycle", "warmup_fraction": 0.4}
    assert training["augmentation"]["shift"] == 2


def test_values_that_do_not_fit_each_other_are_named(config):
    with pytest.raises(ConfigError, match=r"training\.batch_size: network\.normalization: batch needs"):
        apply(config, "iris_mlp", {"network.normalization": "batch", "training.batch_size": 1})


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("network.dropout: {low: 0.0, high: 0.5,", "network.dropout: {low: 0.0, high: 1.0,", "less than 1, not 1.0"),
        ("network.pooling:", "network.poling:", "did you mean 'network.pooling'?"),
        (
            "\n  imdb_lstm:\n    space:",
            "\n  imdb_lstn:\n    space:",
            "unknown model 'imdb_lstn'; did you mean 'imdb_lstm'",
        ),
    ],
)
def test_check_names_a_space_that_does_not_fit(linked_project, monkeypatch, capsys, old, new, says):
    """A training does not: with another `kind` by `dvc exp run -S`, a space need not fit."""
    params = linked_project / "params.yaml"
    text = params.read_text()
    assert text.count(old) == 1
    params.write_text(text.replace(old, new))
    monkeypatch.chdir(linked_project)
    with pytest.raises(SystemExit) as ended:
        cli.main(["check"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    number = text[: text.index(old)].count("\n") + 1 + old.count("\n", 0, 1)
    assert line.startswith(f"error: params.yaml:{number}: search.")
    assert says in line
    assert load_config(params).model("imdb_lstm") == load_config(params).model("imdb_lstm")


def test_a_model_without_a_space_is_told_what_to_do(repository, config):
    with pytest.raises(ConfigError, match=r"no entry .imdb_rnn.; add one, or use `--space FILE` or `--grid KEY=a,b`"):
        SearchSpace.of_params(repository / "params.yaml", config, "imdb_rnn")
    with pytest.raises(ConfigError, match="did you mean 'imdb_rnn'"):
        SearchSpace.of_params(repository / "params.yaml", config, "imdb_rn")
