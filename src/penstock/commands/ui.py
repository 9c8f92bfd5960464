"""`penstock ui`: open the runs and the saved views of each dataset in the MLflow UI."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import chain

from penstock.core.addresses import host_and_port, require_free_port
from penstock.core.browser import has_browser
from penstock.core.credentials import without_credentials
from penstock.core.paths import Project

# Whose runs `penstock ui` shows itself; every other address is that of a server.
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def add_ui_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
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
