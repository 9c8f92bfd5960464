"""Every command of "Search" in docs/experiments.md runs, on a small study."""

import re
import shlex

import pytest

from tests.conftest import REPOSITORY

SECTION = (REPOSITORY / "docs/experiments.md").read_text().split("\n## Search\n")[1].split("\n## ")[0]
COMMANDS = re.findall(r"^penstock sweep iris_mlp ([^#\n]*)", SECTION, re.MULTILINE)


@pytest.mark.slow
def test_every_command_of_the_guide_runs(searched, schema):
    (searched.root / "space.yaml").write_text("training.batch_size: [8, 16]\n")
    outputs = {}
    for command in COMMANDS:
        options = [schema if one.startswith("postgresql:") else one for one in shlex.split(command)]
        trials = [] if "--trials" in options or "--grid" in options else ["--trials", "2"]
        sweep = searched.sweep(*options, *trials, "--seeds", "1")
        outputs[command.split()[0]], _ = sweep.communicate()
        assert sweep.returncode == 0, outputs
    assert outputs.keys() == {"--trials", "--status", "--dry-run", "--grid", "--space", "--storage"}
    assert "10 complete" in outputs["--status"]
    assert "(optimizer.kind adam)" in outputs["--grid"]
