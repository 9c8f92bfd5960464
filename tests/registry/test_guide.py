"""Every command of "Promote" in docs/experiments.md runs, in order, on a hand-made model of this name."""

import re
import shlex
from datetime import date

import pytest

from penstock.cli import main
from tests.conftest import REPOSITORY
from tests.helpers.compared_models import GOOD, POOR

TEXT = (REPOSITORY / "docs/experiments.md").read_text()
(SECTION,) = [part for part in TEXT.split("\n## ") if part.startswith("Promote\n")]
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]
REGISTERED, HISTORY = re.findall(r"```text\n(.*?)```", SECTION, re.DOTALL)


def run(command):
    """Run a command of the page, and return its exit code."""
    program, *arguments = shlex.split(command, comments=True)
    assert program == "penstock"
    try:
        main(arguments)
    except SystemExit as exit_:
        return exit_.code
    return 0


def words(text):
    """Return the words of a text without numbers and times, which differ."""
    return re.findall(r"[A-Za-z@][\w%-]*", text)


def test_commands_and_their_output(flowers, capsys):
    flowers.register_all(GOOD)
    flowers.save(POOR)
    outputs = {}
    for command in COMMANDS:
        capsys.readouterr()
        today = re.sub(r"--at \S+", f"--at {date.today()}", command)
        assert run(today) == int("--check" in command), command
        outputs[command] = capsys.readouterr().out
    assert words(REGISTERED) == words(outputs[COMMANDS[0]])
    (history,) = [command for command in COMMANDS if command == "penstock history iris_mlp"]
    assert run(history) == 0
    real = capsys.readouterr().out.splitlines()
    shown = [line.removesuffix("...\n") for line in HISTORY.splitlines(keepends=True)]
    assert len(real) == len(shown)
    for line, of_page in zip(real, shown, strict=True):
        assert words(line)[: len(words(of_page))] == words(of_page)


@pytest.mark.parametrize("command", ["promote", "rollback", "history", "champion"])
def test_a_project_without_mlflow_is_told_what_to_do(flowers, command, capsys):
    (flowers.root / "mlflow.db").unlink()
    options = " --reason because" if command == "promote" else ""
    assert run(f"penstock {command} iris_mlp{options}") == 1
    assert "there is no MLflow database yet; `penstock register` makes it" in capsys.readouterr().err
