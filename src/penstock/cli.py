"""Implement the command `penstock`.

Each subcommand imports the libraries that it needs, so that the others start fast.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.attestation.command import add_verify_command
from penstock.config.command import add_config_command
from penstock.core.addresses import host_and_port, require_free_port
from penstock.core.arguments import positive_int, significance_level
from penstock.core.browser import has_browser
from penstock.core.credentials import without_credentials
from penstock.core.distributed import require_launcher
from penstock.core.errors import ComparisonError, ConfigError, PenstockError, StageError, explain
from penstock.core.paths import Project
from penstock.core.signals import Interrupted
from penstock.lineage.command import add_lineage_command
from penstock.new.command import add_new_command
from penstock.new.init_command import add_init_command
from penstock.prediction.command import add_predict_command
from penstock.registry.command import add_registry_commands
from penstock.reporting.command import add_card_command
from penstock.search.adopt_command import add_adopt_command
from penstock.search.command import add_sweep_command
from penstock.serving.options import add_options, config_from, shadows_from
from penstock.validation.command import add_validate_command

if TYPE_CHECKING:
    from penstock.config.params import Config

# Whose runs `penstock ui` shows itself; every other address is that of a server.
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command, and exit with the codes of `penstock.core.errors`.

    Args:
        arguments: Command line without the program; None uses `sys.argv`.
    """
    chosen = _parser().parse_args(arguments)
    try:
        require_launcher()
        chosen.run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has ended; Python would flush once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (PenstockError, OSError) as error:
        message, exit_code = explain(error)
        for line in message.splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Interrupted as interruption:
        sys.exit(interruption.exit_code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="penstock", description="From raw data to validated, served ONNX models.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add_init_command(commands)
    check = commands.add_parser("check", help="check params.yaml, and name each mistake by line and key")
    check.add_argument(
        "model", nargs="*", help="models to try as well: overfit 32 rows, export, compare with onnxruntime"
    )
    check.set_defaults(run=_check)
    add_config_command(commands)
    add_new_command(commands)

    repro = commands.add_parser("repro", help="run the stages that are not up to date, in parallel")
    repro.add_argument(
        "target", nargs="*", help="stages or dvc.yaml files to run, with all that they depend on (default: dvc.yaml)"
    )
    repro.add_argument(
        "--jobs",
        type=positive_int,
        help="number of stages that run at once (default: one per GPU, or one per `trainer.threads` CPU cores); a "
        "stage that fails stops only the stages that depend on it",
    )
    repro.set_defaults(run=_repro)

    add_registry_commands(commands)

    results = commands.add_parser("results", help="print the table of results")
    results.set_defaults(run=_results)
    add_card_command(commands)

    _add_compare(commands.add_parser("compare", help="compare models on the same test rows, by a paired test"))

    add_sweep_command(commands)
    add_adopt_command(commands)

    ui = commands.add_parser("ui", help="open the runs and the saved views of each dataset in the MLflow UI")
    ui.add_argument("--host", default="127.0.0.1", help="address to listen on, 0.0.0.0 for all (default: 127.0.0.1)")
    ui.add_argument("--port", type=int, default=5000, help="default: 5000")
    ui.add_argument(
        "--allowed-hosts",
        metavar="HOSTS",
        help="names by which browsers may reach it, such as runs.example.org:5000; MLflow answers others with 403 "
        "(default: localhost and private addresses)",
    )
    ui.add_argument(
        "--no-browser", action="store_true", help="print the addresses only; without a display no browser opens anyway"
    )
    ui.set_defaults(run=_ui)

    add_predict_command(commands)

    serve = commands.add_parser("serve", help="serve validated models, or any ONNX files, over HTTP and gRPC")
    add_options(serve)
    serve.set_defaults(run=_serve)

    add_lineage_command(commands)
    add_validate_command(commands)
    add_verify_command(commands)

    _add_package(commands.add_parser("package", help="write the validated models for Triton, KServe or Docker"))
    return parser


def _add_compare(compare: argparse.ArgumentParser) -> None:
    compare.description = "Compare models on the same test rows, each with the first, by a paired test."
    compare.epilog = (
        "A model is, in this order: the path of an .onnx file; a model of params.yaml, with .int8 its int8 file; "
        "NAME@REVISION, of git or a DVC experiment; models:/NAME@ALIAS or models:/NAME/VERSION; the ID of an MLflow "
        "run; a revision alone where one model is meant. Exit code: 0; 1 if a model is significantly worse than the "
        "first; 2 if they cannot be compared."
    )
    add = compare.add_argument
    add("first", metavar="A", help="the model that the others are compared with")
    add("others", metavar="B", nargs="+", help="other models")
    add("--alpha", type=significance_level, default=0.05, help="significance level (default: 0.05)")
    form = compare.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print Markdown, as for a pull request")
    form.add_argument("--json", action="store_true", help="print JSON, with every class and row of disagreement")
    compare.set_defaults(run=_compare)


def _add_package(package: argparse.ArgumentParser) -> None:
    package.description = "Write validated models for other servers. Folders with other content are not changed."
    add = package.add_argument
    add("model", nargs="*", help="models to write (default: all validated models)")
    add("--models", type=Path, help="folder of <model>/model.onnx and validation.json (default: the project's)")
    add("--triton", type=Path, metavar="DIR", help="write a Triton model repository; a new file is a new version")
    add("--docker", type=Path, metavar="DIR", help="write a build context for `docker build DIR`")
    add("--kserve", type=Path, metavar="FILE", help="write an InferenceService; give --image or --storage as well")
    add("--image", help="for --kserve: the image built from the output of --docker, by its registry's name")
    add("--storage", metavar="URI", help="for --kserve: the URI in the cluster of the output of --triton")
    package.set_defaults(run=_package)


def _check(chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.orchestration.conflicts import require_no_conflicts
    from penstock.search.space import require_valid_spaces

    project = Project.find()
    require_no_conflicts(project)
    config = load_config(project.params)
    require_valid_spaces(project.params, config)
    counts = f"{len(config.datasets)} datasets, {len(config.models)} models and {len(config.tuned)} tuned ones"
    print(f"{project.params.name}: {counts}, no mistakes", flush=True)
    for name in chosen.model:
        _check_model(project, config, name)


def _check_model(project: Project, config: Config, name: str) -> None:
    from penstock.new.check_model import check_model
    from penstock.orchestration.resources import use_threads

    use_threads(config.trainer.threads)
    check_model(project, config, name)


def _repro(chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.orchestration.dvc_patches import repair_locks
    from penstock.orchestration.openlineage import repro_events
    from penstock.orchestration.resources import stages_at_once
    from penstock.registry.register import register_if_possible
    from penstock.reporting.plots_page import ensure_plots_page
    from penstock.tracking.shared_uploader import shared_uploader

    # Stages start `python`: that of this environment, even if it is not activated.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    project = Project.find()
    repair_locks(project)
    ensure_plots_page(project)
    config = load_config(project.params)
    try:
        with shared_uploader(project, config), repro_events(project):
            _run_stages(project, config, chosen.target, chosen.jobs or stages_at_once(config.trainer))
    except StageError:
        register_if_possible(project, config)  # the models that did not fail
        raise
    register_if_possible(project, config)


def _run_stages(project: Project, config: Config, targets: Sequence[str], jobs: int) -> None:
    """Run the stages that are not up to date.

    Args:
        project: The project.
        config: Its settings.
        targets: Stages or dvc.yaml files; empty for dvc.yaml.
        jobs: Number of stages that run at once.

    Raises:
        StageError: A stage failed.
    """
    if jobs == 1:
        _repro_by_dvc(project, targets)
        return
    from penstock.orchestration.resources import shares_of_gpus
    from penstock.orchestration.scheduler import repro

    epochs = {f"train@{name}": model.training.epochs for name, model in config.models.items()}
    epochs |= {f"tuned/dvc.yaml:train@{name}": model.training.epochs for name, model in config.tuned.items()}
    repro(project.root, targets, jobs, shares_of_gpus(config.trainer), epochs)


def _repro_by_dvc(project: Project, targets: Sequence[str]) -> None:
    """Run one stage after the other.

    Raises:
        StageError: A stage failed; DVC has said why.
    """
    from penstock.orchestration.dvc_patches import run

    if exit_code := run(["repro", *targets], project.root):
        raise StageError(f"`dvc repro` ended with exit code {exit_code}")


def _results(_chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.reporting.results import gather, show
    from penstock.tracking.queries import training_seconds

    project = Project.find()
    config = load_config(project.params)
    show(gather(project, config, training_seconds(project, config)))


def _compare(chosen: argparse.Namespace) -> None:
    try:
        any_worse = _print_comparison(chosen)
    except (PenstockError, OSError) as error:  # exit code 1 says that a model is worse
        raise ComparisonError(explain(error)[0]) from None
    sys.exit(1 if any_worse else 0)


def _print_comparison(chosen: argparse.Namespace) -> bool:
    """Compare models, and return whether one is significantly worse than the first."""
    from penstock.comparison.compare import compare
    from penstock.comparison.output import document, markdown, print_comparison
    from penstock.config.loading import load_config
    from penstock.lookup.locate import open_locator
    from penstock.orchestration.resources import use_threads

    project = Project.find()
    config = load_config(project.params)
    use_threads(config.trainer.threads)  # those of the validate stage
    with open_locator(project, config) as locator:
        candidates, records = zip(*locator.locate([chosen.first, *chosen.others]), strict=True)
        comparison = compare(project, config, candidates, chosen.alpha)
        if chosen.json:
            print(json.dumps(document(comparison, records), indent=2, ensure_ascii=False))
        elif chosen.markdown:
            print(markdown(comparison, records), end="")
        else:
            print_comparison(comparison, records)
    return comparison.any_worse


def _ui(chosen: argparse.Namespace) -> None:
    from penstock.config.loading import load_config
    from penstock.tracking.uri import tracking_uri
    from penstock.tracking.view_links import show_view_links

    project = Project.find()
    config = load_config(project.params)
    uri, datasets = tracking_uri(project, config), list(config.datasets)
    browser = has_browser() and not chosen.no_browser
    if uri.startswith(DATABASES):
        _serve_ui(chosen, uri, datasets, browser=browser)
        return
    server = without_credentials(uri)
    print(f"the runs are at {server}", flush=True)
    show_view_links(uri, server.rstrip("/"), datasets, browser=browser)


def _serve_ui(chosen: argparse.Namespace, uri: str, datasets: Sequence[str], *, browser: bool) -> None:
    """Replace this process by MLflow's server of a database.

    Raises:
        ConfigError: The port is in use.
    """
    from penstock.tracking.moved_project import follow_moved_project
    from penstock.tracking.view_links import start_view_links

    follow_moved_project(uri)
    require_free_port(chosen.host, chosen.port)
    # Without this parameter MLflow 3 opens its pages for generative AI.
    page = f"http://{host_and_port(chosen.host, chosen.port)}/#/experiments?workflowType=machine_learning"
    print(f"MLflow in a few seconds at {page} (Ctrl-C to stop)", flush=True)
    # Not an option, which every user of the machine could read in the list of processes.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = uri
    # Disable the job workers for evaluating language models: they double the time to start and to stop.
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    start_view_links(uri, chosen.host, chosen.port, datasets, browser=browser)
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *_ui_options(chosen)])


def _ui_options(chosen: argparse.Namespace) -> list[str]:
    """Return the options of `mlflow ui`."""
    options = {
        "--host": chosen.host,
        "--port": str(chosen.port),
        "--workers": "1",
        "--uvicorn-opts": "--lifespan off --log-level warning",  # otherwise Ctrl-C shows a traceback
    }
    if chosen.allowed_hosts:
        options["--allowed-hosts"] = chosen.allowed_hosts
    return list(chain.from_iterable(options.items()))


def _serve(chosen: argparse.Namespace) -> None:
    from penstock.serving.runtime.sources import require_sources
    from penstock.serving.server import serve

    config, shadows = config_from(chosen), shadows_from(chosen)
    registered = [source for source in chosen.sources if source.startswith("models:")]
    files = [Path(source) for source in chosen.sources if source not in registered]
    challengers = {name: source for name, source in shadows.items() if source.startswith("models:")}
    shadow_files = {name: Path(source) for name, source in shadows.items() if name not in challengers}
    require_sources(files)
    sources = files if chosen.sources else _served_by_project()
    if not (registered or challengers):
        serve(sources, config, shadow_files)
        return
    from penstock.registry.sync import CHALLENGERS, synced_models

    attestations = config.attestation_key is not None
    with synced_models(registered, chosen.registry_poll_seconds, challengers, attestations=attestations) as folder:
        if registered:
            sources = [folder, *files]
            require_sources(sources)
        serve(sources, config, shadow_files | {name: folder / CHALLENGERS / name for name in challengers})


def _served_by_project() -> Sequence[Path]:
    try:
        return Project.find().served
    except ConfigError as error:
        raise ConfigError(f"{error}, or name what to serve: `penstock serve FILE.onnx`") from None


def _package(chosen: argparse.Namespace) -> None:
    from penstock.deployment.kserve import KServeTarget
    from penstock.deployment.package import Targets, package

    folders = [chosen.models] if chosen.models else Project.find().served
    target = KServeTarget(chosen.kserve, chosen.image, chosen.storage) if chosen.kserve else None
    package(folders, chosen.model, Targets(chosen.triton, chosen.docker, target))


if __name__ == "__main__":
    main()
