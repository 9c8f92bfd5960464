"""Every command of "Compare two models" in docs/experiments.md runs, on hand-made models of these names."""

import re
import shlex
import shutil

import numpy as np
import pytest
from mlflow import MlflowClient

from penstock.cli import main
from penstock.io.files import sha256
from penstock.io.provenance import Provenance
from penstock.registry.registration import VersionContent, register_version
from tests.conftest import REPOSITORY
from tests.helpers.compared_models import GOOD
from tests.lookup.conftest import git

TEXT = (REPOSITORY / "docs/experiments.md").read_text()
(SECTION,) = [part for part in TEXT.split("\n## ") if part.startswith("Compare two models\n")]
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]
ONE_SPECIES = (0.0, 0.0)
(OUTPUT,) = re.findall(r"```text\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture
def models(here, empty_database):
    """The models that the page names; the experiment `longer` is the branch `main`."""
    for name, borders in (("mnist_cnn", GOOD), ("mnist_cnn_small", ONE_SPECIES), ("mnist_cnn_deep", GOOD)):
        path = here.root / f"models/{name}/model.onnx"
        path.unlink(missing_ok=True)
        here.write(borders, f"models/{name}/model.onnx", model=name)
    here.write(GOOD, "models/mnist_cnn/model.int8.onnx", model="mnist_cnn", precision="int8")
    git(here.root, "update-ref", "refs/exps/ab/cdef/longer", "main")
    shutil.copy(empty_database, here.root)
    client = MlflowClient(f"sqlite:///{here.root}/mlflow.db")
    experiment = client.create_experiment("mnist", artifact_location=(here.root / "mlruns").as_uri())
    path = here.root / "models/mnist_cnn/model.onnx"
    content = VersionContent(
        name="mnist_cnn",
        path=path,
        sha256=sha256(path),
        example=np.ones((2, 4), np.float32),
        provenance=Provenance("mnist_cnn", "d", "p", "c"),
    )
    register_version(client, client.create_run(experiment).info.run_id, content)
    client.set_registered_model_alias("mnist_cnn", "champion", "1")
    return here


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(models, capsys, command):
    program, *arguments = shlex.split(command, comments=True)
    assert program == "penstock"
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert exit_.value.code == int("mnist_cnn_small" in arguments), "it knows one species"
    assert "mnist_cnn" in shown.out


def test_the_shown_output_has_the_form_of_the_real_one(models, capsys):
    with pytest.raises(SystemExit):
        main(shlex.split(COMMANDS[0])[1:])
    real = [line.split() for line in capsys.readouterr().out.splitlines()]
    headings = [line for line in OUTPUT.splitlines() if line.startswith(("   model", "Scores", "score "))]
    assert len(headings) == 3
    for heading in headings:
        assert heading.split() in real
