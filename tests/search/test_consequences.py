"""Which stages run again after a change of params.yaml."""

from copy import deepcopy

import pytest
from ruamel.yaml import YAML

from penstock.core.paths import Project
from penstock.search.consequences import stale_stages


@pytest.fixture
def params(repository):
    return YAML(typ="safe").load(repository / "params.yaml")


@pytest.fixture
def stale(repository, params):
    def names(**entries):
        changed = deepcopy(params)
        for path, value in entries.items():
            *parents, last = path.split("__")
            block = changed
            for key in parents:
                block = block[key]
            block[last] = value
        return [stage.name for stage in stale_stages(Project(repository), params, changed)]

    return names


def of_model(name, pipeline=""):
    return {f"{pipeline}{stage}@{name}" for stage in ("train", "export", "validate", "register")}


def test_a_setting_of_a_model_runs_its_stages_and_the_report(stale):
    assert of_model("iris_mlp") < set(stale(models__iris_mlp__training__epochs=3))
    others = set(stale(models__iris_mlp__training__epochs=3)) - of_model("iris_mlp")
    assert {name for name in others if "@" in name} == set()
    assert "report" in others


def test_a_classifier_runs_what_is_measured_with_it(stale):
    found = set(stale(models__mnist_cnn_deep__network__dense=[3]))
    assert found >= of_model("mnist_cnn_deep") | {"fid_reference@mnist_fid_reference", "validate@mnist_gan"}
    assert "train@mnist_gan" not in found


def test_a_tuned_model_runs_its_own_pipeline(stale):
    found = stale(tuned__imdb_ngrams__training__epochs=3)
    assert {name for name in found if "@" in name} >= of_model("imdb_ngrams", "tuned/dvc.yaml:")
    assert "tuned/seeds/dvc.yaml:seeds@imdb_ngrams" in found
    assert all("imdb_ngrams" in name for name in found if "@" in name)


def test_a_search_space_runs_nothing(stale, params):
    assert stale() == stale(search={}) == []
    assert stale(tracking__uri="sqlite:///other.db") == []


def test_a_new_model_runs_its_stages(stale, params):
    found = set(stale(models__another=params["models"]["iris_mlp"]))
    assert found >= of_model("another")
    assert not [name for name in found if "iris_mlp" in name]
