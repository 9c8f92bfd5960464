"""The options of `penstock serve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from penstock.serving.settings import TOKEN_VARIABLE, Settings

DEFAULT = Settings()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what `settings_of` reads; the defaults are those of `Settings`."""
    add = parser.add_argument
    add(
        "registered",
        nargs="*",
        metavar="models:/NAME@ALIAS",
        help="of MLflow's registry, in place of the project's models, and as the alias moves; or models:/NAME/VERSION",
    )
    add("--follow-seconds", type=_seconds, default=10.0, help="between two looks at the aliases (%(default)g)")
    add("--models", type=Path, help="folder of <model>/model.onnx and proof.json (the project's)")
    add("--host", default=DEFAULT.host, help="address to listen on; 0.0.0.0 for all (%(default)s: this machine only)")
    add("--port", type=int, default=DEFAULT.port, help="(%(default)s)")
    add("--grpc-port", type=int, help="answer gRPC as well, on this port")
    add(
        "--token-file",
        type=Path,
        help=f"whose content callers must show as a bearer token (or ${TOKEN_VARIABLE})",
    )
    add("--most-rows", type=_count, help="of one run of a model (measured for each model when it is loaded)")
    add(
        "--request-rows",
        type=_count,
        default=DEFAULT.request_rows,
        help="of one request, then 413 (%(default)s)",
    )
    add(
        "--waiting-rows",
        type=_count,
        default=DEFAULT.waiting_rows,
        help="of a model's queue, then 503 (%(default)s)",
    )
    add(
        "--longest-wait",
        type=_seconds,
        default=DEFAULT.longest_wait,
        help="seconds in a queue, then 503 (%(default)g)",
    )
    add("--timeout", type=_seconds, default=DEFAULT.timeout, help="seconds of a request, then 504 (%(default)g)")
    add("--largest-body", type=_count, default=DEFAULT.largest_body, help="bytes of a request, then 413 (%(default)s)")
    add(
        "--grace",
        type=_seconds,
        default=DEFAULT.grace,
        help="seconds that it still listens when told to end (%(default)g)",
    )
    add("--lanes", type=_count, default=DEFAULT.lanes, help="threads that run models (one for each core)")
    add("--access-log", type=Path, help="file for a line of JSON for each request; - is the terminal (none)")


def settings_of(chosen: argparse.Namespace) -> Settings:
    """Raises `ConfigError` where the token cannot be read."""
    from penstock.serving.auth import read_token

    return Settings(
        host=chosen.host,
        port=chosen.port,
        grpc_port=chosen.grpc_port,
        token=read_token(chosen.token_file),
        most_rows=chosen.most_rows,
        request_rows=chosen.request_rows,
        waiting_rows=chosen.waiting_rows,
        longest_wait=chosen.longest_wait,
        timeout=chosen.timeout,
        largest_body=chosen.largest_body,
        grace=chosen.grace,
        lanes=chosen.lanes,
        access_log=chosen.access_log,
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
