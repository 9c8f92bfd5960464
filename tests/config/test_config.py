"""Each mistake in params.yaml gives one line: file, line, dotted key, problem and nearest valid name."""

import signal
import subprocess
import sys

import pytest

from penstock.config.loading import load_config
from penstock.config.promotion import ModelPromotionConfig, PromotionConfig
from penstock.core.errors import ConfigError


@pytest.fixture
def params(repository, tmp_path):
    """Return a function that writes params.yaml with one piece of text replaced, and returns its path."""

    def write(old, new):
        text = (repository / "params.yaml").read_text()
        assert text.count(old) >= 1
        path = tmp_path / "params.yaml"
        path.write_text(text.replace(old, new, 1))
        return path

    return write


def test_the_shipped_file_is_valid(config):
    assert config.model("mnist_cnn").training.batch_size == 128


IRIS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("      epochs: 100", "      epoch: 100", "models.iris_mlp.training.epoch", "did you mean 'epochs'?"),
        ("\ntrainer:", "\ntrainers:", "trainers", "did you mean 'trainer'?"),
        ("epochs: 100", "epochs: many", "models.iris_mlp.training.epochs", "integer, not 'many'"),
        ("epochs: 100", "epochs: 1.5", "models.iris_mlp.training.epochs", "integer, not 1.5"),
        ("batch_size: 16", "batch_size: 0", "models.iris_mlp.training.batch_size", "greater than or equal to 1"),
        ("learning_rate: 0.01}", "learning_rate: .nan}", "optimizer.learning_rate", "not nan"),
        ("{kind: mlp,", "{kind: mpl,", "models.iris_mlp.network.kind", "unknown kind 'mpl'; did you mean 'mlp'?"),
        ("task: class", "task: klass", "models.iris_mlp.task", "did you mean 'classification'?"),
        ("baseline: iris_", "baseline: isir_", "models.iris_mlp.baseline", "did you mean 'iris_linear'?"),
        ("baseline: iris_", "baseline: imdb_", "models.iris_mlp.baseline", "is of another dataset, imdb"),
        ("baseline: mnist_linear", "baseline: mnist_components", "models.mnist_cnn.baseline", "compared with linear"),
        ("{dataset: mnist, cl", "{dataset: imdb, cl", "fid_references.mnist_fid_reference", "is of another dataset"),
        ("accuracy: 0.985", "accuracy: 0.985, cross_validation: 0.9", "mnist_cnn.gates.cross_validation", "true"),
        (
            "classifier: mnist_cnn_deep",
            "classifier: mnist_cnn_tuned",
            "mnist_fid_reference.classifier",
            "unknown classifier",
        ),
        ("classifier: mnist_cnn_deep", "classifier: mnist_gan", "mnist_fid_reference.classifier", "is no classifier"),
        ("{serve: false, reason: larger}", "{serve: false}", "models.iris_mlp.int8.reason", "missing key"),
        ("    mnist_gan:\n      margin", "    mnist_can:\n      margin", "promotion.models.mnist_can", "unknown model"),
        ("  max_size_ratio: 1.25", "  max_size_ratio: 0", "promotion.max_size_ratio", "greater than 0"),
        ("{serve: true}", "{serve: true, reason: slower}", "models.mnist_lstm.int8.reason", "only with serve: false"),
        ("  mnist_autoencoder_tuned:", "  mnist_gan:", "tuned.mnist_gan", "there is another 'mnist_gan' already"),
        (
            "dataset: iris}",
            "dataset: irsi}",
            "baselines.iris_linear.dataset",
            "unknown dataset 'irsi'; did you mean 'iris'?",
        ),
        ("hidden_sizes: [10]", "hidden_sizes: [ten]", "models.iris_mlp.network.hidden_sizes.0", "not 'ten'"),
        ("- filters: 32\n        pool: 2", "- pool: 2", "network.blocks.0.filters", "missing key"),
        ("      epochs: 100\n", "", "models.iris_mlp.training.epochs", "missing key"),
        ("  iris_mlp:", "  Iris MLP:", "models.Iris MLP", "match pattern"),
        ("{kind: mlp,", "{kind: mlp, activation: reul,", "models.iris_mlp.network.activation", "'relu'"),
        (
            "kind: table\n      columns:\n" + "".join(f"      - {name}\n" for name in IRIS),
            "kind: columns\n      columns:\n        petal_length: {kind: category, values: [short, NA]}\n",
            "datasets.iris.inputs.columns.petal_length.values",
            "'NA' is read as a missing value",
        ),
        ("{min: 0, max: 255}", "{min: 255, max: 0}", "datasets.mnist.checks.values.min", "min is larger than max"),
        ("- ../shared/datasets", "- ftp://host/", "download.mirrors.0", "begins with http:// or https://"),
        ("bezdekIris.data:\n        bytes: 4551\n        sha256:", "#", "datasets.iris.files", "valid dictionary"),
        (
            "\n    - https://archive.ics.uci.edu/ml/machine-learning-databases/iris/",
            " []",
            "datasets.iris.urls",
            "missing key: urls or folder, where the files are",
        ),
        ("embedding_dim: 100", "embedding_dim: 30000", "network.tokens.embedding_dim", "at most vocab_size"),
        (
            "[10]}\n    training:\n      epochs: 100\n      batch_size: 16",
            "[10], normalization: batch}\n    training:\n      epochs: 100\n      batch_size: 1",
            "models.iris_mlp.training.batch_size",
            "batch needs at least 2, 2 rows in each process, not 1",
        ),
        ("- https://archive", "- htps://archive", "datasets.iris.urls.0", "match pattern"),
        (
            "{kind: shift, pixels: 2}",
            "{kind: shft, pixels: 2}",
            "behaviour.shift.kind",
            "unknown kind 'shft'; did you mean",
        ),
        (
            "{kind: shift, pixels: 2}",
            "{kind: shift, pixels: 0}",
            "mnist.behaviour.shift.pixels",
            "greater than or equal",
        ),
        (
            "shift: {kind: shift, pixels: 2}",
            "shift: {kind: typos, share: 0.1}",
            "datasets.mnist.behaviour.shift.kind",
            "typos is not for inputs of kind image, but shift, rotation, noise, inversion are",
        ),
        ("rotation: 0.95, n", "rotate: 0.95, n", "mnist_cnn.gates.behaviour.rotate", "did you mean 'rotation'?"),
        ("accuracy: 0.985", "accuracy: 0.985, makro_f1: 0.9", "gates.makro_f1", "did you mean 'macro_f1'?"),
        ("accuracy: 0.985", "accuracy: 0.985, macro_f1: 2", "mnist_cnn.gates.macro_f1", "less than or equal to 1"),
        ("positive:\n          - good", "postive:\n          - good", "opinions.postive", "did you mean 'positive'?"),
        ("        - James\n", '        - " "\n', "datasets.imdb.behaviour.names.names.0", "is empty"),
        ("names:\n        - James\n", "names: [Tom, Tom]\n        others:\n", "names.others", "unknown key"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_key(params, old, new, key, says):
    path = params(old, new)
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    (line,) = str(raised.value).splitlines()
    file, number, rest = line.split(":", 2)
    assert file == "params.yaml"
    assert key in rest
    assert says in rest
    if says != "missing key":
        wrong = path.read_text().splitlines()[int(number) - 1]
        assert key.split(".")[-1] in wrong or new.strip() in wrong


@pytest.mark.parametrize("value", ["1", "[1]", "{adam: 1}"])
def test_a_key_named_as_the_kind_of_its_block_is_reported(params, value):
    with pytest.raises(
        ConfigError, match=r"params\.yaml:\d+: models\.iris_mlp\.training\.optimizer\.adam: unknown key"
    ):
        load_config(params("{kind: adam, learning_rate: 0.01}", f"{{kind: adam, adam: {value}}}"))


def test_a_key_named_as_the_form_of_a_search_space_is_reported(params):
    with pytest.raises(ConfigError, match=r"params\.yaml:\d+: search\.iris_mlp\.space.*block: unknown key"):
        load_config(params("{choices: [8, 16, 32]}", "{block: [1], choices: [8]}"))


def test_each_mistake_gives_one_line(params):
    path = params("accelerator: auto", "accelerator: fast")
    path.write_text(path.read_text().replace("precision: 32-true", "precision: 64"))
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert len(str(raised.value).splitlines()) == 2


def test_invalid_yaml_is_reported_with_its_line(params):
    with pytest.raises(ConfigError, match=r"params\.yaml:\d+: not valid YAML"):
        load_config(params("datasets:\n", "datasets: [\n"))


def test_an_unquoted_url_in_brackets_is_reported_with_its_line(params):
    """DVC parses with libyaml, which reads the colon of the URL as the end of a key."""
    with pytest.raises(ConfigError, match=r"params\.yaml:\d+: not valid YAML: found unexpected ':'"):
        load_config(params("\n  - ../shared/datasets", " [http://127.0.0.1/datasets]"))


@pytest.mark.parametrize("odd", ["? [a, b]\n: 1\n", "2026-11-21: 1\n", "- a\n"])
def test_keys_must_be_plain_names(tmp_path, odd):
    path = tmp_path / "params.yaml"
    path.write_text(odd)
    with pytest.raises(ConfigError, match=r"params\.yaml:"):
        load_config(path)


def test_an_unknown_name_gives_the_nearest_one(config):
    with pytest.raises(ConfigError, match="did you mean 'mnist_cnn'"):
        config.model("mnist_cn")
    with pytest.raises(ConfigError, match="did you mean 'imdb'"):
        config.dataset("imbd")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ([sys.executable, "pipelines/train.py", "mnist_cn"], "did you mean 'mnist_cnn'?"),
        ([sys.executable, "pipelines/download.py"], "usage: python"),
        ([sys.executable, "-m", "penstock.cli", "check"], "did you mean 'trainer'?"),
    ],
)
def test_invalid_settings_give_exit_code_2_and_one_line(linked_project, command, says):
    params = linked_project / "params.yaml"
    if "check" in command:
        params.write_text(params.read_text().replace("\ntrainer:", "\ntrainers:"))
    done = subprocess.run(command, cwd=linked_project, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_gives_one_line(linked_project):
    """Simulate the full disk by a file-size limit, which gives the same error from the same call."""
    limited = "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); sys.argv = ['download.py', 'iris'];"
    limited += "sys.path.insert(0, 'pipelines');"
    limited += "sys.dont_write_bytecode = True; runpy.run_path('pipelines/download.py', run_name='__main__')"
    command = [sys.executable, "-c", limited]
    done = subprocess.run(command, cwd=linked_project, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: File too large" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_params_yaml_is_reported(tmp_path):
    command = [sys.executable, "-m", "penstock.cli", "check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "params.yaml" in done.stderr


def test_a_closed_output_pipe_is_not_an_error(linked_project):
    command = [sys.executable, "-m", "penstock.cli", "config", "--schema"]
    with subprocess.Popen(command, cwd=linked_project, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 128 + signal.SIGPIPE)


def test_every_generator_has_a_margin_since_no_paired_test_compares_it(config):
    generators = [name for name, model in config.models.items() if model.task == "adversarial"]
    assert generators
    assert all(config.promotion.of_model(name).margin for name in generators)


def test_rules_of_promotion_for_one_model_replace_those_for_all():
    rules = PromotionConfig(margin=0.01, models={"mnist_gan": ModelPromotionConfig(margin=5.0)})
    assert rules.of_model("mnist_gan") == PromotionConfig(margin=5.0)
    assert rules.of_model("mnist_cnn") == PromotionConfig(margin=0.01)
