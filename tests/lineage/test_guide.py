"""The commands of docs/experiments.md about lineage run, and its output is the real one."""

import re
import shlex
import subprocess

import pytest

from penstock.cli import main
from tests.conftest import REPOSITORY
from tests.lineage.test_lineage import setting
from tests.serving.server_process import serving

TEXT = (REPOSITORY / "docs/experiments.md").read_text()
SECTION = TEXT.split("\n## Trace a served model\n")[1].split("\n## ")[0]
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]
CHAIN, BROKEN, VERIFIED = re.findall(r"```text\n(.*?)```", SECTION, re.DOTALL)
SERVER = "localhost:8080"


def _run(traced, command):
    """Run a command; return what it prints to stdout."""
    program, *arguments = shlex.split(command, comments=True)
    if program != "penstock":
        subprocess.run([program, *arguments], cwd=traced.root, check=True, capture_output=True)
        return ""
    main(arguments)
    return traced.capsys.readouterr().out


def test_every_command_runs_and_prints_lines_as_shown(traced):
    with serving(traced.root, "models/iris_mlp") as server:
        outputs = {command: _run(traced, command.replace(SERVER, server.http)) for command in COMMANDS}
    assert _forms(CHAIN) == _forms(outputs["penstock lineage iris_mlp"])
    assert _forms(VERIFIED) == _forms(outputs[COMMANDS[-1]])


def _forms(text):
    """Return the first two columns of the lines about links and checks: what is printed of any model."""
    told = [line for line in text.splitlines() if re.match(r"(ok|not|signature|form|subject) ", line)]
    return [re.split(r" {2,}", line)[:2] for line in told]


def test_a_broken_link_is_shown_as_in_the_guide(traced):
    setting(traced)
    with pytest.raises(SystemExit):
        main(["lineage", "iris_mlp"])
    shown = traced.capsys.readouterr().out
    for word in ("broken: params.yaml here: training.batch_size", "  found     ", "  expected  ", "`dvc repro train@"):
        assert word in BROKEN
        assert word in shown
