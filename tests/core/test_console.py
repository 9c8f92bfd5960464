"""What is only shown never ends a process."""

import subprocess
import sys

import pytest

PROGRAM = """
from pathlib import Path
from penstock.core.console import note, stage_line, warn
stage_line("train", "iris_mlp", "0.97 ± 0.01")
warn("± again")
note("the end")
Path("reached").touch()
"""


def shown(folder, redirection="", **environment):
    command = f'"{sys.executable}" -c "$PROGRAM" {redirection}'
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment | {"PROGRAM": PROGRAM}, capture_output=True, check=True
    )
    assert (folder / "reached").exists()
    return done


def test_a_terminal_of_ascii_gets_a_replacement(tmp_path):
    done = shown(tmp_path, PYTHONIOENCODING="ascii")
    assert done.stdout.split()[:5] == [b"train", b"iris_mlp", b"0.97", b"?", b"0.01"]
    assert b"again" in done.stderr


@pytest.mark.parametrize("redirection", ["> /dev/full", "2> /dev/full", ">&-"])
def test_a_full_disk_or_closed_output_ends_nothing(tmp_path, redirection):
    shown(tmp_path, redirection)


def test_a_reader_that_has_ended_ends_nothing(tmp_path):
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait() == 0
    assert (tmp_path / "reached").exists()
