"""A new dataset is one file, an entry in params.yaml and a baseline; a new model of a known kind is one entry."""

import hashlib
import json
from copy import deepcopy

from sklearn.datasets import load_wine

READER = '''
"""Wine: 178 wines of three growers, each thirteen measurements."""

import numpy as np

from penstock.data.datasets.base import RawDataset, RawSplit


def read(folder):
    values = np.loadtxt(folder / "wine.csv", delimiter=",", dtype=np.float32)
    return {"all": RawSplit(inputs=values[:, :13], labels=values[:, 13].astype(np.int64))}


DATASET = RawDataset(classes=("first", "second", "third"), description="thirteen measurements", read=read)
'''


def test_a_dataset_is_one_file_and_one_entry(changed_run, tmp_path):
    wine = load_wine()
    lines = [",".join(map(str, [*row, label])) for row, label in zip(wine.data, wine.target, strict=True)]
    content = ("\n".join(lines) + "\n").encode()
    (tmp_path / "mirror/wine").mkdir(parents=True)
    (tmp_path / "mirror/wine/wine.csv").write_bytes(content)
    (changed_run.root / "src/penstock/data/datasets/wine.py").write_text(READER)

    params = changed_run.read_params()
    # Copies, since ruamel writes an anchor for a block that is in two places.
    iris, iris_mlp = deepcopy(params["datasets"]["iris"]), deepcopy(params["models"]["iris_mlp"])
    params["download"]["mirrors"].insert(0, str(tmp_path / "mirror"))
    params["datasets"]["wine"] = {
        **iris,
        "files": {"wine.csv": {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}},
        "checks": {"rows": {"all": 178}, "class_share": {"min": 0.2, "max": 0.5}, "values": {"min": 0, "max": 2000}},
    }
    params["baselines"]["wine_linear"] = {"kind": "linear", "dataset": "wine"}
    params["models"]["wine_mlp"] = {**iris_mlp, "dataset": "wine", "baseline": "wine_linear"}
    changed_run.write_params(params)

    changed_run.run("dvc", "repro", "register@wine_mlp")
    validation = json.loads((changed_run.root / "reports/wine_mlp/validation.json").read_text())
    assert validation["samples"] == 36
    assert (changed_run.root / "models/wine_mlp/validation.json").is_file()
    assert "wine_mlp" in changed_run.run("penstock", "results").stdout
