"""`penstock serve`: serve validated models, or any ONNX files, over HTTP and gRPC."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.serving.options import add_options, config_from, shadows_from


def add_serve_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    serve = commands.add_parser("serve", help="serve validated models, or any ONNX files, over HTTP and gRPC")
    add_options(serve)
    serve.set_defaults(run=_serve)


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
