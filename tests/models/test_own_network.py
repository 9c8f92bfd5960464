"""A network of one's own: what it is given, mistakes in one line, and an exported file that equals it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from penstock.core.errors import OwnCodeError, WrongSettingError
from penstock.export.graph import Served, network_graph
from penstock.models.common.build import build_network
from tests.models.test_tabular import info_of, model_of

NETWORK = """\
from math import prod

from torch import nn


def build(inputs, outputs, hidden=4, **seen):
    layers = nn.Linear(prod(inputs.shape), hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    network = nn.Sequential(nn.Flatten(), *layers)
    network.seen = inputs.shape, inputs.dtype, inputs.vocab_size, outputs, seen
    return network
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a network of one's own in my_models.py."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "my_models.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def built(target="class", info=None, path="my_models.py:build", **settings):
    network = {"kind": "module", "path": path} | settings
    model = model_of(target, {"network": network, "training": {"epochs": 1}})
    return build_network(model, info or info_of(target, (5,)))


@pytest.mark.parametrize(("target", "width"), [("class", 3), ("labels", 3), ("number", 1)])
def test_it_gets_the_features_the_width_and_its_settings(project, target, width):
    network = built(target, hidden=7, names=["a", "b"], nested={"deep": [1, 2.5, None]}).network
    settings = {"names": ["a", "b"], "nested": {"deep": [1, 2.5, None]}}
    assert network.seen == ((5,), torch.float32, 0, width, settings)
    assert network[1].out_features == 7


@pytest.mark.parametrize(
    ("kind", "shape", "words", "seen"),
    [
        ("image", (6, 8), 0, ((1, 6, 8), torch.float32, 0)),
        ("image", (6, 8, 3), 0, ((3, 6, 8), torch.float32, 0)),
        ("text", (9,), 50, ((9,), torch.int64, 50)),
    ],
)
def test_images_come_with_channels_first_and_texts_as_word_ids(project, kind, shape, words, seen):
    text = NETWORK.replace("    return", "    network.forward = lambda x: x.flatten(1)[:, :3].float()\n    return")
    Path("my_models.py").write_text(text)
    info = replace(info_of("class", shape), kind=kind, vocab_size=words)
    assert built(info=info).network.seen[:3] == seen


@pytest.mark.parametrize("target", ["class", "labels", "number"])
def test_the_exported_file_equals_the_network(project, target):
    network = built(target).eval()
    takes = network.input_spec
    graph = network_graph(Served(network), takes, network.outputs, recurrent=False)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for rows in (1, 3, 7):
        inputs = np.random.default_rng(rows).normal(size=(rows, 5)).astype(np.float32)
        expected = network.predict(torch.from_numpy(inputs))
        for found, tensor in zip(session.run(None, {takes.name: inputs}), expected, strict=True):
            np.testing.assert_allclose(found, tensor.detach().numpy(), atol=1e-6)


CLASS = """\
class Net(nn.Module):
    def forward(self, x):
        return {}


def build(inputs, outputs):
    return Net()
"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def build(:", r"my_models\.py:1: SyntaxError: "),
        ("import nothing_there", r"my_models\.py:1: ModuleNotFoundError: No module named 'nothing_there'"),
        ("def biuld(): pass", r"my_models\.py: has no function or class 'build'; did you mean 'biuld'\?"),
        ("build = 3", r"my_models\.py: has no function or class 'build'"),
        ("def build(inputs, outputs):\n    return 1 / 0", r"my_models\.py:2: ZeroDivisionError: division by zero"),
        ("def build(inputs, outputs): pass", r"my_models\.py:build: returns None, not an nn\.Module"),
        (CLASS.format("x.relu()"), r"forward returns float32 \[2, 5\] for features \[2, 5\]; expected is .*\[2, 3\]"),
        (CLASS.format("x[:, :3].double()"), r"forward returns float64 \[2, 3\]"),
        (CLASS.format("(x, x)"), r"forward returns an object of class tuple, not a tensor \[N, 3\]"),
        (CLASS.format("x @ x"), r"my_models\.py:5: RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
        ("from torch import nn\n\n\ndef build(inputs, outputs):\n    return nn.Linear(3, 3)", r"RuntimeError: mat1 "),
    ],
)
def test_a_mistake_is_one_line(project, text, problem):
    (project / "my_models.py").write_text(text if text.startswith(("def", "from")) else f"from torch import nn; {text}")
    if text.startswith("class"):
        (project / "my_models.py").write_text(f"from torch import nn\n\n{text}")
    with pytest.raises(OwnCodeError, match=problem) as raised:
        built()
    assert "\n" not in str(raised.value)


def test_the_other_name_of_lightning_has_a_hint(project):
    (project / "my_models.py").write_text("import lightning.pytorch as pl")
    with pytest.raises(OwnCodeError, match=r"^my_models\.py:1: .*; write `import pytorch_lightning`$"):
        built()


def test_a_missing_file_and_an_unknown_setting_are_named(project):
    with pytest.raises(OwnCodeError, match=r"^other\.py: no such file$"):
        built(path="other.py:build")
    (project / "my_models.py").write_text(NETWORK.replace(", **seen", "").replace(", seen\n", "\n"))
    with pytest.raises(WrongSettingError, match=r"build\(inputs, outputs, \*\*settings\): got an unexpected .*'hiden'"):
        built(hiden=3)


def test_an_edited_file_is_read_anew(project):
    assert built().network[1].out_features == 4
    (project / "my_models.py").write_text(NETWORK.replace("hidden=4", "hidden=6"))
    assert built().network[1].out_features == 6


def test_trying_a_network_changes_neither_random_numbers_nor_modes(project):
    torch.manual_seed(1)
    network = built().network
    assert network.training
    torch.manual_seed(1)
    weights = torch.nn.Linear(5, 4).weight
    assert torch.equal(network[1].weight, weights)


@pytest.mark.parametrize("file", ["random.py", "torch/wine.py", "penstock.py"])
def test_no_file_hides_a_module_of_python_or_of_a_package(project, file):
    (project / file).parent.mkdir(exist_ok=True)
    (project / file).write_text(NETWORK)
    before = sys.modules[file.removesuffix(".py").split("/")[0]]
    with pytest.raises(OwnCodeError, match="is a module of Python or of an installed package; choose another name"):
        built(path=f"{file}:build")
    assert sys.modules[file.removesuffix(".py").split("/")[0]] is before


def test_code_that_ends_the_process_is_an_error(project):
    (project / "my_models.py").write_text("import sys\n\nsys.exit(3)\n")
    with pytest.raises(OwnCodeError, match=r"my_models\.py:3: SystemExit: 3"):
        built()


def test_files_of_a_folder_import_one_another_and_others_are_refused(project):
    (project / "networks").mkdir()
    (project / "networks/wine.py").write_text(f"from networks.sizes import HIDDEN\n{NETWORK}".replace("=4", "=HIDDEN"))
    (project / "networks/sizes.py").write_text("HIDDEN = 9\n")
    assert built(path="networks/wine.py:build").network[1].out_features == 9
    (project / "networks/sizes.py").write_text("HIDDEN = 8\n")
    assert built(path="networks/wine.py:build").network[1].out_features == 8

    (project / "networks/wine.py").write_text(f"from .sizes import HIDDEN\n{NETWORK}".replace("=4", "=HIDDEN"))
    assert built(path="networks/wine.py:build").network[1].out_features == 8

    (project / "sizes_outside.py").write_text("HIDDEN = 9\n")
    (project / "networks/wine.py").write_text(f"from sizes_outside import HIDDEN\n{NETWORK}")
    for _ in range(2):
        with pytest.raises(
            OwnCodeError, match=r"networks/wine\.py: imports sizes_outside\.py, which DVC would not track"
        ):
            built(path="networks/wine.py:build")
