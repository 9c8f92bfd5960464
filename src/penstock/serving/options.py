"""Command line options of `penstock serve`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from penstock.core.arguments import positive_int, seconds, share
from penstock.core.errors import ConfigError
from penstock.serving.auth import read_token
from penstock.serving.cors import origin
from penstock.serving.runtime.attested import OPTION, require_key
from penstock.serving.settings import TOKEN_VARIABLE, ServerConfig

DEFAULT = ServerConfig()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `config_from` reads; the defaults are those of `ServerConfig`."""
    _add_model_options(parser)
    _add_network_options(parser)
    _add_limits(parser)


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="what to serve instead of the project's models: ONNX files, folders of them, and models:/NAME@ALIAS or "
        "models:/NAME/VERSION of the MLflow registry, whose aliases are followed",
    )
    add(
        "--allow-unvalidated",
        action="store_true",
        help="serve ONNX files without a validation too, and say so in their metadata (default: only those that "
        "`penstock validate-onnx` or the pipeline validated)",
    )
    add(
        OPTION,
        type=Path,
        metavar="KEY",
        help="public key in PEM; serve only files with an attestation beside them that it has signed "
        "(default: none is required)",
    )
    add(
        "--shadow",
        type=_shadow,
        action="append",
        default=[],
        metavar="MODEL=SOURCE",
        help="send a share of the requests for a model to a challenger too, and show in /metrics how they agree; "
        "SOURCE is models:/NAME@challenger, an ONNX file or a folder with one; may be repeated (default: none)",
    )
    add(
        "--shadow-share",
        type=share,
        default=DEFAULT.shadow_share,
        help="share of the requests that a challenger gets (default: %(default)g)",
    )
    add(
        "--registry-poll-seconds",
        type=seconds,
        default=10.0,
        help="seconds between two checks of the registry's aliases (default: %(default)g)",
    )


def _add_network_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default=DEFAULT.host, help="address to listen on; 0.0.0.0 for all (default: %(default)s)")
    add("--port", type=int, default=DEFAULT.port, help="port for HTTP (default: %(default)s)")
    add("--grpc-port", type=int, help="port for gRPC (default: no gRPC)")
    add(
        "--token-file",
        type=Path,
        help=f"file with the bearer token that clients must send (default: ${TOKEN_VARIABLE}, or no authentication)",
    )
    add("--tls-cert", type=Path, help="certificate chain in PEM, for HTTPS and gRPC over TLS (default: no TLS)")
    add("--tls-key", type=Path, help="private key of --tls-cert, in PEM and unencrypted")
    add(
        "--cors-origin",
        type=origin,
        action="append",
        default=[],
        help="origin whose pages may call the server, such as https://example.org; * for all; may be repeated "
        "(default: none)",
    )
    add("--access-log", type=Path, help="file for one JSON line per request; - is standard error (default: none)")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--max-batch-size", type=positive_int, help="rows per run of a model (default: tuned for each model)")
    add(
        "--max-request-rows",
        type=positive_int,
        default=DEFAULT.max_request_rows,
        help="rows per request, then 413 (default: %(default)s)",
    )
    add(
        "--max-queue-size",
        type=positive_int,
        default=DEFAULT.max_queue_size,
        help="rows in the queue of a model, then 503 (default: %(default)s)",
    )
    add(
        "--queue-timeout",
        type=seconds,
        default=DEFAULT.queue_timeout,
        help="seconds in the queue, then 503 (default: %(default)g)",
    )
    add("--timeout", type=seconds, default=DEFAULT.timeout, help="seconds per request, then 504 (default: %(default)g)")
    add(
        "--keep-alive-timeout",
        type=seconds,
        default=DEFAULT.keep_alive_timeout,
        help="seconds until an idle connection is closed; more than that of a load balancer in front "
        "(default: %(default)g)",
    )
    add(
        "--max-body-size",
        type=positive_int,
        default=DEFAULT.max_body_size,
        help="bytes per request body, then 413 (default: %(default)s)",
    )
    add(
        "--shutdown-grace",
        type=seconds,
        default=DEFAULT.shutdown_grace,
        help="seconds to keep listening after SIGTERM (default: %(default)g)",
    )
    add(
        "--ready-requires-all",
        action="store_true",
        help="/v2/health/ready answers 503 while a model of the folders is not served (default: ready if one is)",
    )
    add("--workers", type=positive_int, default=DEFAULT.workers, help="threads that run models (default: CPU cores)")


def config_from(options: argparse.Namespace) -> ServerConfig:
    """Build the configuration from parsed options.

    Raises:
        ConfigError: The token, or the key of attestations, cannot be read.
    """
    return ServerConfig(
        host=options.host,
        port=options.port,
        grpc_port=options.grpc_port,
        token=read_token(options.token_file),
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        cors_origins=tuple(options.cors_origin),
        max_batch_size=options.max_batch_size,
        max_request_rows=options.max_request_rows,
        max_queue_size=options.max_queue_size,
        queue_timeout=options.queue_timeout,
        timeout=options.timeout,
        keep_alive_timeout=options.keep_alive_timeout,
        max_body_size=options.max_body_size,
        shutdown_grace=options.shutdown_grace,
        workers=options.workers,
        allow_unvalidated=options.allow_unvalidated,
        attestation_key=options.require_attestation and require_key(options.require_attestation),
        ready_requires_all=options.ready_requires_all,
        access_log=options.access_log,
        shadow_share=options.shadow_share,
    )


def shadows_from(options: argparse.Namespace) -> dict[str, str]:
    """Return the source of each model's challenger.

    Raises:
        ConfigError: A model has two of them.
    """
    given: Sequence[tuple[str, str]] = options.shadow
    names = [name for name, _ in given]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--shadow {name}: is given twice; a model has one challenger")
    return dict(given)


def _shadow(text: str) -> tuple[str, str]:
    name, _, source = text.partition("=")
    if not name or not source:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not MODEL=SOURCE, such as mnist_cnn=models:/mnist_cnn@challenger"
        )
    return name, source
