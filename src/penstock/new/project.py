"""Make a folder a Penstock project, and bring it to the code of an upgraded penstock."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from penstock.config import defaults
from penstock.config.loading import load_config
from penstock.config.own_code import write_own_code
from penstock.config.params import Config
from penstock.core.errors import ConfigError, PenstockError
from penstock.core.paths import Project
from penstock.io.code_record import has_own_source, installed_code, package_folder
from penstock.io.files import read_json, sha256, write_json, write_text
from penstock.new.pipeline import DEFAULTS, project_pipeline

PARAMS = """\
# yaml-language-server: $schema=pipelines/params.schema.json
# All settings of this project. A key that is left out has its default: `penstock config` prints every setting and
# where it comes from, and `penstock check` names mistakes by line and key.
# No anchors, no merge keys: `dvc exp run -S KEY=VALUE` expands them.

tracking:                     # no stage depends on it; MLFLOW_TRACKING_URI takes precedence
  uri: sqlite:///mlflow.db

trainer:                      # Lightning's Trainer, and the threads of each stage
  accelerator: auto           # auto | cpu | gpu | mps
  devices: auto               # processes on each node; auto is every GPU, or one process on the CPU
  threads: 1                  # fixed: their number changes the order of floating-point sums

datasets: {}                  # by name: files, source, inputs, target, split and checks

baselines: {}                 # by name: what the scores of models are compared with

fid_references: {}            # by name: of the Frechet distance, for tasks of kind adversarial

models: {}                    # by name: task, dataset, baseline, network, training and gates
"""
GITIGNORE = """\
# Made by the pipeline and kept by DVC, never by git.
/data/raw/
/data/processed/
/models/
/baselines/
/results/
/dvc_plots/
# Latency is never twice the same, so it is no DVC output.
/reports/*/latency.json

# MLflow's runs and Penstock's working files.
/mlflow.db*
/mlruns/
/.penstock/
/.dvc.lock.*

/.venv/
__pycache__/
"""
DvcSettings = dict[str, dict[str, bool | str]]
PLOTS_SETTINGS: DvcSettings = {"plots": {"html_template": "../.penstock/plots.html"}}  # relative to .dvc
DVC_SETTINGS: DvcSettings = {"core": {"analytics": False, "check_update": False, "autostage": True}, **PLOTS_SETTINGS}
NOT_COPIED = ("seeds.py",)  # the stage of tuned models


def init_project(root: Path) -> list[str]:
    """Make a folder a project: params.yaml, dvc.yaml, pipelines/, and git and DVC where they are missing.

    Returns:
        What was done, a line for each.

    Raises:
        ConfigError: The folder is a project already, or has a file that would be overwritten.
        PenstockError: git or DVC failed.
    """
    root.mkdir(parents=True, exist_ok=True)
    template = _template()
    present = [name for name in ("params.yaml", "dvc.yaml", "pipelines") if (root / name).exists()]
    if present:
        raise ConfigError(
            f"{root / present[0]}: is there already, and nothing was written; "
            "`penstock init --update` is for a project after an upgrade of penstock"
        )
    done = _init_git_and_dvc(root)
    write_text(root / "params.yaml", PARAMS)
    write_text(root / "reports" / ".gitkeep", "")  # the report stage depends on the folder
    _append(root / ".gitignore", GITIGNORE)
    _append(root / ".dvcignore", (template / ".dvcignore").read_text(encoding="utf-8"))
    done.append("wrote params.yaml, .gitignore and .dvcignore")
    project = Project(root)
    code = _write_code(project, load_config(project.params), template)
    return [*done, *code, "next: penstock new dataset NAME --from PATH_OR_URL"]


def _append(path: Path, text: str) -> None:
    """Add lines to a file that the user, git or DVC may have written before."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    write_text(path, f"{before.rstrip()}\n\n{text}" if before.strip() else text)


def update_project(root: Path) -> list[str]:
    """Write dvc.yaml and pipelines/ of a project anew, for the penstock that is installed now.

    Returns:
        What was done, a line for each.

    Raises:
        ConfigError: The folder is no project, is a clone, params.yaml has a mistake, or a file that would be
            overwritten was edited.
    """
    project = Project.find(root)
    if has_own_source(project):
        raise ConfigError(f"{project.root} is a clone of Penstock, which has its own code in src/; nothing to update")
    record = read_json(project.code_record) if project.code_record.is_file() else {}
    for name, digest in record.get("written", {}).items():
        path = project.root / name
        if path.is_file() and sha256(path) != digest:
            raise ConfigError(
                f"{path}: was edited since `penstock init` wrote it, and nothing was written; keep your changes "
                "elsewhere, delete the file, and run `penstock init --update` again"
            )
    config = load_config(project.params)  # before anything is written: it may have a mistake
    before = record.get("version", "no record")
    return [*_write_code(project, config, _template()), f"before: penstock {before}; params.yaml is unchanged"]


def _write_code(project: Project, config: Config, template: Path) -> list[str]:
    """Write dvc.yaml, the scripts of the stages, the defaults, the schema and the record of the installed code."""
    texts = {
        "dvc.yaml": project_pipeline((template / "dvc.yaml").read_text(encoding="utf-8")),
        DEFAULTS: defaults.FILE.read_text(encoding="utf-8"),
        "pipelines/params.schema.json": defaults.FILE.with_name("params.schema.json").read_text(encoding="utf-8"),
    }
    for path in [*template.glob("pipelines/*.py"), *template.glob(".dvc/plots/*.json")]:
        if path.name not in NOT_COPIED:
            texts[path.relative_to(template).as_posix()] = path.read_text(encoding="utf-8")
    for name, text in texts.items():
        write_text(project.root / name, text)
    code = installed_code()
    write_own_code(project, config)
    written = {name: sha256(project.root / name) for name in sorted(texts)}
    write_json(project.code_record, {**code, "written": written})
    return [f"wrote dvc.yaml, pipelines/ and .dvc/plots/ of penstock {code['version']}"]


def _template() -> Path:
    """Return the folder with dvc.yaml and pipelines/: in the package, or the clone that it is imported from.

    Raises:
        PenstockError: The package was built without them.
    """
    package = package_folder()
    for folder in (package / "new" / "template", package.parents[1]):
        if (folder / "dvc.yaml").is_file() and (folder / "pipelines").is_dir():
            return folder
    raise PenstockError(f"{package} was installed without the pipeline: pip install 'penstock[pipeline]'")


def _init_git_and_dvc(root: Path) -> list[str]:
    """Run `git init` and `dvc init` where the folder has neither, and set what Penstock needs of DVC."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    done = []
    if not _is_in_git(root):
        _run(["git", "init", "--quiet"], root)
        done.append("git init")
    settings = PLOTS_SETTINGS
    try:
        if not (root / ".dvc").is_dir():
            Repo.init(str(root), subdir=not (root / ".git").exists()).close()
            done.append("dvc init")
            settings = DVC_SETTINGS
        with Repo(str(root)) as repo, repo.config.edit("repo") as written:
            for section, values in settings.items():
                written.setdefault(section, {}).update(values)
    except DvcException as error:
        raise PenstockError(f"dvc: {error}") from None
    shown = [f"{section}.{key}" for section, values in settings.items() for key in values]
    return [*done, f"set in .dvc/config: {', '.join(shown)}"]


def _is_in_git(root: Path) -> bool:
    try:
        done = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        raise PenstockError("git: not installed; `dvc exp` and the lineage of models need it") from None
    return done.returncode == 0


def _run(command: Sequence[str], root: Path) -> None:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PenstockError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
