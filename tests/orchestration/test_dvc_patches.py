"""Tests of the corrections to DVC: what they write is what DVC itself writes."""

import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import modify_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.orchestration.dvc_patches import _modify_yaml

HASH = "0fed2a99db77ec533a62dc66894d3ec6df3b58b6a8f3cf4a6b47e4086b7f97dc"
LOCK = f"""\
schema: '2.0'
stages:
  download@iris:
    cmd: python pipelines/download.py iris
    params:
      params.yaml:
        datasets.iris.files:
          bezdekIris.data:
            bytes: 4551
            sha256: \n              {HASH}
    outs:
    - path: data/raw/iris
      hash: md5
      size: 4551
  report:
    cmd: python pipelines/report.py
"""
SHAPES = {
    "stages": LOCK,
    "no file": None,
    "no stage": "schema: '2.0'\nstages: {}\n",
    "names in quotes": LOCK.replace("  report:", "  '7':"),
    "cut": LOCK.rstrip(),
    "a dataset too": f"{LOCK}datasets:\n- name: reviews\n  url: dvc://reviews\n",
}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=100) | st.just(HASH),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


def _write(modify, lock: Path, text: str | None, stages: dict[str, Any]) -> str:
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.unlink(missing_ok=True)
    if text is not None:
        lock.write_text(text, encoding="utf-8")
    with modify(str(lock)) as content:
        if not content:
            content.update({"schema": "2.0"})
        content["stages"] = content.get("stages", {})
        content["stages"].update(stages)
    return lock.read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stage", ["download@iris", "report", "train@iris_mlp"])
@settings(max_examples=6)
@given(parameters=values)
def test_lock_has_the_bytes_that_dvc_writes(tmp_path_factory, shape, stage, parameters):
    folder = tmp_path_factory.mktemp("lock")
    written = {stage: OrderedDict(cmd="python stage.py", params={"params.yaml": {"models.a": parameters}})}
    ours, dvcs = (
        _write(modify, folder / name / "dvc.lock", SHAPES[shape], written)
        for name, modify in (("ours", _modify_yaml), ("dvc", modify_yaml))
    )
    shutil.rmtree(folder)
    assert ours == dvcs


def test_stages_that_did_not_run_keep_their_text(tmp_path):
    """Another process may have written them in its own style."""
    text = LOCK.replace("cmd: python pipelines/download.py iris", "cmd: 'python pipelines/download.py iris'")
    written = _write(_modify_yaml, tmp_path / "dvc.lock", text, {"report": {"cmd": "python report.py"}})
    assert written == text.replace("pipelines/report.py", "report.py")
