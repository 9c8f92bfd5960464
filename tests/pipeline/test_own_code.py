"""A network of one's own becomes a registered file by the commands of docs/your-own-code.md."""

import ast
import re
from contextlib import chdir

import pytest
from sklearn.datasets import load_wine

from benchmarks.own_sets import write_csv
from penstock.config.loading import load_config
from penstock.core.errors import GateError, OwnCodeError
from penstock.core.paths import Project
from penstock.io.files import read_json
from penstock.lineage.place import copy_commit
from penstock.new import check_model
from penstock.new.project import init_project
from tests.helpers.small_project import SmallProject
from tests.pipeline.test_own_data import commands_of

pytestmark = pytest.mark.pipeline

# Networks that learn, and are no model that can be served; what `penstock check` says about them.
FAULTY = {
    "if x.abs().sum() >= 0:\n            x = x + 1": r"wine_own\.py:\d+: cannot be exported to ONNX: Could not guard",
    "x = x - x.mean(dim=0)": "a row in a batch of 3 gives another answer than in one of 32",
    "x = functional.dropout(x)": "the same rows give other answers each time",
}
NETWORK = """
from torch import nn
from torch.nn import functional


class Net(nn.Module):
    def __init__(self, inputs, outputs, hidden):
        super().__init__()
        self.layer = nn.Linear(*inputs.shape, outputs)

    def forward(self, x):
        {}
        return self.layer(x)


build = Net
"""


@pytest.fixture(scope="module")
def own_project(tmp_path_factory):
    """A project without a clone, with the dataset wine."""
    project = SmallProject(tmp_path_factory.mktemp("own") / "project")
    init_project(project.root)
    write_csv(project.root / "wine.csv", load_wine())
    project.run("penstock", "new", "dataset", "wine", "--from", "wine.csv")
    return project


def test_the_commands_of_the_guide_lead_to_a_file_whose_code_is_tracked(own_project, repository, monkeypatch, capfd):
    own_project.run("dvc", "repro", "preprocess@wine")
    commands = commands_of((repository / "docs/your-own-code.md").read_text())
    assert [command[:3] for command in commands] == [
        ["penstock", "new", "model"],
        ["penstock", "check", "wine_own"],
        ["dvc", "repro", "register@wine_own"],
        ["penstock", "config", "--write"],
    ]
    shown = [own_project.run(*command).stdout for command in commands]
    assert "the exported file agrees at batch 1, 3, 32" in shown[1]
    report = read_json(own_project.root / "reports/wine_own/validation.json")
    assert report["test"]["accuracy"] >= 0.9
    assert report["parity"]["agreement"] == 1

    network = own_project.root / "wine_own.py"
    before = own_project.run("dvc", "status").stdout
    network.write_text(network.read_text() + "# edited\n")
    stale = re.findall(
        r"^(\S+):\n\tchanged deps:\n\t\tmodified: +wine_own\.py$", own_project.run("dvc", "status").stdout, re.M
    )
    assert stale == ["train@wine_own", "export@wine_own", "validate@wine_own"]
    assert "wine_own.py" not in before
    _faulty_networks_are_named(own_project.root, monkeypatch, capfd)


def _faulty_networks_are_named(root, monkeypatch, capfd):
    monkeypatch.setattr(check_model, "EPOCHS", 1)
    project = Project(root)
    config = load_config(project.params)
    with chdir(root):
        for line, problem in FAULTY.items():
            (root / "wine_own.py").write_text(NETWORK.format(line))
            with pytest.raises(GateError, match=problem):
                check_model.check_model(project, config, "wine_own")
            assert "".join(capfd.readouterr()) == "", "torch's own messages"
        (root / "wine_own.py").write_text(NETWORK.format("x = x.reshape(2, -1)"))
        with pytest.raises(OwnCodeError, match=r"wine_own\.py:\d+: RuntimeError: "):
            check_model.check_model(project, config, "wine_own")


def test_a_model_of_ones_own_overwrites_no_file(own_project):
    (own_project.root / "taken.py").write_text("# mine\n")
    before = (own_project.root / "params.yaml").read_text()
    done = own_project.run("penstock", "new", "model", "taken", "--dataset", "wine", "--network", "module", check=False)
    assert "taken.py: is there already, and nothing was written" in done.stdout
    assert (own_project.root / "params.yaml").read_text() == before
    assert (own_project.root / "taken.py").read_text() == "# mine\n"


def test_penstock_repro_writes_the_paths_of_code_that_plain_dvc_misses(own_project):
    listed = own_project.root / "pipelines/code.yaml"
    before = listed.read_text()
    listed.write_text("models: {}\n")
    done = own_project.run("dvc", "repro", "preprocess@wine", check=False)
    assert "code_by_penstock_config_write" in done.stdout
    own_project.run("penstock", "repro", "preprocess@wine")
    assert listed.read_text() == before


def test_a_search_works_without_a_clone(own_project):
    own_project.run("penstock", "repro", "preprocess@wine")
    grid = ("--grid", "training.epochs=1,2", "--jobs", "1", "--seeds", "0")
    assert "validation accuracy" in own_project.run("penstock", "sweep", "wine_tabular", *grid).stdout
    assert "2 complete" in own_project.run("penstock", "sweep", "wine_tabular", *grid, "--status").stdout


def test_a_copy_of_a_commit_has_its_code(own_project, tmp_path):
    own_project.run("penstock", "new", "model", "wine_copied", "--dataset", "wine", "--network", "module")
    own_project.run("git", "add", "params.yaml", "dvc.yaml", "pipelines", "wine_copied.py")
    own_project.run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "x")
    (tmp_path / "commit").mkdir()
    commit = own_project.run("git", "rev-parse", "HEAD").stdout.strip()
    copy = copy_commit(Project(own_project.root), commit, tmp_path / "commit")
    assert (copy.root / "wine_copied.py").read_text() == (own_project.root / "wine_copied.py").read_text()


def test_the_module_of_the_guide_is_python_that_it_says_is_needed(repository):
    (text,) = re.findall(r"^```python\n(.*?)^```", (repository / "docs/your-own-code.md").read_text(), re.M | re.S)
    *_, net = ast.parse(text).body
    assert [one.name for one in net.body] == ["__init__", "forward", "training_step", "configure_optimizers"]
