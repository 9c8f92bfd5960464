"""Every stage runs the code of its own workspace, whichever copy of penstock is installed."""

import shutil
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

SCRIPTS = sorted(path.name for path in (REPOSITORY / "pipelines").glob("*.py") if path.name != "workspace.py")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A second checkout; the environment has the first one installed."""
    root = tmp_path_factory.mktemp("second") / "checkout"
    unneeded = shutil.ignore_patterns("__pycache__", "ui")
    for folder in ("src", "pipelines"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=unneeded)
    for file in ("params.yaml", "dvc.yaml"):
        shutil.copy2(REPOSITORY / file, root / file)
    return root


def run(script, cwd, *arguments):
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=cwd, env={}, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_imports_the_code_of_its_checkout(copy, script):
    package = copy / "src" / "penstock" / "__init__.py"
    original = package.read_text()
    package.write_text(f'{original}\nraise SystemExit("code of the second checkout")\n')
    done = run(copy / "pipelines" / script, copy)
    package.write_text(original)
    assert done.stderr == "code of the second checkout\n"


def test_processes_that_a_stage_starts_import_the_same_code(copy):
    child = "import penstock; print(penstock.__file__)"
    program = f"import subprocess, sys, workspace; subprocess.run([sys.executable, '-c', '{child}'], check=True)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=copy / "pipelines", text=True, capture_output=True, check=True
    )
    assert done.stdout == f"{copy}/src/penstock/__init__.py\n"


def test_a_script_of_another_checkout_is_refused(copy):
    done = run(REPOSITORY / "pipelines" / "download.py", copy, "iris")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: this process runs the code in {REPOSITORY}/src/penstock, not that of {copy}: "
        f"start {copy}/pipelines/download.py\n"
    )
