"""The commands and the program of the section on columns in docs/serving.md run, and its tables name what there is."""

import csv
import io
import json
import re
import runpy
import shlex
import subprocess
from pathlib import Path

import onnx
import pytest

from penstock.cli import main
from penstock.serving.runtime.columns import KINDS, Column
from tests.serving import table_models, tiny_models
from tests.serving.server_process import serving
from tests.serving.test_guide import COLUMNS, blocks

COMMANDS = [line for block in blocks(COLUMNS, "sh") for line in block.splitlines()]
CURLS = [command for command in COMMANDS if command.startswith("curl")]
PREDICTIONS = [command for command in COMMANDS if command.startswith("penstock predict")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model that has the metadata of the guide's program."""
    folder = tmp_path_factory.mktemp("guide")
    bare = table_models.penguins()
    del bare.metadata_props[:]
    onnx.save(bare, folder / "penguins.onnx")
    (folder / "describe.py").write_text(blocks(COLUMNS, "python")[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        runpy.run_path("describe.py")
    tiny_models.save(folder / "models", "penguins", onnx.load(folder / "penguins.onnx"))
    return folder


def test_every_curl_is_answered_as_shown(folder):
    shown = [json.loads(line) for line in blocks(COLUMNS, "text")[0].splitlines()]
    assert len(shown) == len(CURLS)
    with serving(folder, str(folder / "models")) as served:
        for command, expected in zip(CURLS, shown, strict=True):
            words = shlex.split(command.replace("127.0.0.1:8080", served.http))
            answer = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
            rows, expected_rows = (one.get("predictions", [one]) for one in (answer, expected))
            assert answer.keys() == expected.keys()
            for row, expected_row in zip(rows, expected_rows, strict=True):
                assert row["label"] == expected_row["label"]
                assert row["probabilities"] == pytest.approx(expected_row["probabilities"], abs=1e-3)


def test_every_command_of_the_section_is_tested():
    assert CURLS + PREDICTIONS == COMMANDS


def test_every_predict_command_answers_as_shown(folder, monkeypatch, capsys):
    shown = blocks(COLUMNS, "text")[1]
    expected = list(csv.DictReader(io.StringIO(shown)))
    monkeypatch.chdir(folder)
    rows = [",".join(line.split(",")[:4]) for line in shown.splitlines()]
    Path("penguins.csv").write_text("\n".join(rows))
    main(["validate-onnx", "penguins.onnx"])
    capsys.readouterr()
    to_terminal, to_file, one = PREDICTIONS
    main(shlex.split(to_terminal)[1:])
    printed = capsys.readouterr().out
    for row, expected_row in zip(csv.DictReader(io.StringIO(printed)), expected, strict=True):
        assert row.keys() == expected_row.keys()
        assert row["label"] == expected_row["label"]
        assert float(row["probability_Gentoo"]) == pytest.approx(float(expected_row["probability_Gentoo"]), abs=1e-3)
    main(shlex.split(to_file)[1:])
    assert Path("answers.csv").read_text() == printed
    main(shlex.split(one)[1:])
    assert capsys.readouterr().out.startswith("Adelie\n")


def test_the_tables_name_every_key_and_kind():
    named = set(re.findall(r"`(\w+)`", COLUMNS))
    assert set(KINDS) - {"tensor"} <= named
    keys = set(Column.__dataclass_fields__) - {"input", "datatype", "place"}
    assert keys <= named
