"""Print the addresses of the saved views, and open the first one, in a process beside MLflow's server.

    MLFLOW_TRACKING_URI=... python -m penstock.tracking.view_links HOST PORT open|print EXPERIMENT...

`penstock ui` starts it, and then becomes the server.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from penstock.core import console
from penstock.core.addresses import host_and_port
from penstock.core.browser import open_page
from penstock.core.errors import first_line
from penstock.core.signals import SIGNALS
from penstock.tracking.uri import URI

SECONDS_BETWEEN_LOOKS = 0.2
ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def start_view_links(uri: str, host: str, port: int, experiments: Sequence[str], *, browser: bool) -> None:
    """Start the process, which ends by itself once it has printed, or once this process ends.

    Args:
        uri: Tracking URI whose server this process becomes.
        host: Address that the server listens on.
        port: Port that it listens on.
        experiments: Names of the experiments, in the order of their addresses.
        browser: Whether to open the first address.
    """
    action = "open" if browser else "print"
    command = [sys.executable, "-m", "penstock.tracking.view_links", host, str(port), action, *experiments]
    subprocess.Popen(command, env=os.environ | {URI: uri}, stdin=subprocess.DEVNULL)


def show_view_links(uri: str, base: str, experiments: Sequence[str], *, browser: bool) -> None:
    """Print the addresses of the saved views at a server of MLflow, and open the first one.

    Args:
        uri: Tracking URI.
        base: Address of its pages.
        experiments: Names of the experiments, in the order of their addresses.
        browser: Whether to open the first address.
    """
    from penstock.tracking.client import UNREACHABLE

    links: list[tuple[str, str, str]] = []
    try:
        links = list(_links(uri, base, experiments))
    except UNREACHABLE as error:
        console.warn(f"{base}: the saved views are not known ({first_line(error)})")
    for experiment, view, url in links:
        print(f"  {experiment:<12} {view:<16} {url}", flush=True)
    if browser:
        # Without this parameter MLflow 3 opens its pages for generative AI.
        open_page(links[0][2] if links else f"{base}/#/experiments?workflowType=machine_learning")


def _links(uri: str, base: str, experiments: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield experiment, view and address of each saved view."""
    from mlflow import MlflowClient

    from penstock.tracking.views import VIEWS

    client = MlflowClient(uri)
    for name in experiments:
        experiment = client.get_experiment_by_name(name)
        for view in VIEWS:
            if experiment is not None and view.tag in experiment.tags:
                yield name, view.name, f"{base}/#{view.route(experiment.experiment_id)}"


def main(host: str, port: int, action: str, experiments: Sequence[str]) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    import mlflow  # noqa: F401  # takes seconds, in which the server starts

    if _wait_for_server(host, port):
        show_view_links(os.environ[URI], f"http://{host_and_port(host, port)}", experiments, browser=action == "open")


def _wait_for_server(host: str, port: int) -> bool:
    """Wait until the parent process listens; return whether it does."""
    parent = os.getppid()
    while os.getppid() == parent:
        try:
            with socket.create_connection((ALL_ADDRESSES.get(host, host), port), timeout=1):
                return True
        except OSError:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return False


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
