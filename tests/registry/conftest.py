"""A project with tiny validated models, in which nothing was trained."""

import hashlib
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.export.onnx_file import read_provenance
from penstock.io.files import read_json, sha256, write_arrays, write_bytes, write_json
from penstock.io.provenance import Provenance
from penstock.registry.register import register_models
from tests.helpers.compared_models import ComparedProject
from tests.serving import tiny_models

PROVENANCE = Provenance(model="iris_mlp", data="d.dir", parameters="p", code="c")


class ModelProject:
    """A project in a folder of its own."""

    def __init__(self, root):
        self.root = root
        self.project = Project(root)

    @property
    def config(self):
        return load_config(self.project.params)

    def write(self, shift, name="iris_mlp", epochs=100):
        """Write the files of a training, as the stages do; return the sha256 of the model."""
        files = self.project.model(name, "models")
        content = tiny_models.fractions(shift).SerializeToString()
        digest = hashlib.sha256(content).hexdigest()
        write_bytes(files.onnx, content)
        write_arrays(files.examples, {"example_inputs": np.array([tiny_models.GOOD], np.float32)})
        write_json(files.validation_report, {"onnx": {"sha256": digest}, "test": {"accuracy": shift / 1000}})
        write_json(files.validation, {"sha256": digest} | asdict(self.provenance(name, epochs)))
        return digest

    def provenance(self, name="iris_mlp", epochs=100):
        return Provenance(model=name, data="d.dir", parameters=str(epochs), code="c")

    def serve_int8(self, shift, name="iris_mlp"):
        """Write an int8 file that is served as well."""
        files = self.project.model(name, "models")
        content = tiny_models.fractions(shift).SerializeToString()
        write_bytes(files.int8, content)
        digest = {"int8_sha256": hashlib.sha256(content).hexdigest()}
        write_json(files.validation, read_json(files.validation) | digest)

    def rename_in_params(self, old, new):
        text = self.project.params.read_text()
        assert f"\n  {old}:\n" in text
        self.project.params.write_text(text.replace(f"\n  {old}:\n", f"\n  {new}:\n"))

    def register(self, *names, check=False):
        return register_models(self.project, self.config, names, check=check)


@pytest.fixture
def make_project(repository, tmp_path):
    """Return a function that creates a project in a folder of this name."""

    def make(name):
        root = tmp_path / name
        root.mkdir()
        for file in ("params.yaml", "dvc.yaml"):
            shutil.copy(repository / file, root)
        return ModelProject(root)

    return make


@pytest.fixture
def here(make_project):
    return make_project("here")


class FlowerProject(ModelProject):
    """A project whose model classifies the test rows of Iris, so that its versions can be compared."""

    def __init__(self, root):
        super().__init__(root)
        self.compared = ComparedProject(root)

    def save(self, borders, **metadata):
        """Write a validated classifier; return its sha256."""
        path = self.compared.write(borders, **metadata)
        files = self.project.model("iris_mlp", "models")
        write_arrays(files.examples, {"example_inputs": np.ones((2, 4), np.float32)})
        write_json(files.validation, {"sha256": sha256(path)} | asdict(read_provenance(path)))
        return sha256(path)

    def register_all(self, *models):
        """Register one classifier after the other."""
        for borders in models:
            self.save(borders)
            assert self.register()


@pytest.fixture
def flowers(repository, tmp_path, empty_database, monkeypatch):
    """A project of Iris with an empty MLflow, which is the working directory."""
    ComparedProject.create(repository, tmp_path)
    shutil.copy(empty_database, tmp_path)
    monkeypatch.chdir(tmp_path)
    return FlowerProject(tmp_path)
