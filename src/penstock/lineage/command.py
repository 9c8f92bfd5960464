"""Define the command `penstock lineage`."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.core.plurals import counted

if TYPE_CHECKING:
    from penstock.attestation.keys import PrivateKey

BUILDER = "urn:penstock:builder:local"


def add_lineage_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    command = commands.add_parser(
        "lineage", help="trace a model from its data to the servers; compute every link again"
    )
    command.description = "Trace a model file from its source files to the servers. Every link is computed again."
    command.epilog = (
        "X is, in this order: http://HOST:PORT[/v2/models/NAME] of a running server; the sha256 of an ONNX file; or "
        "what `penstock compare` takes: the path of an .onnx file, a model, NAME@REVISION, models:/NAME@ALIAS, the ID "
        "of an MLflow run, a revision. Exit code: 0; 1 if a link is broken; 2 if X names no file."
    )
    add = command.add_argument
    add("model", metavar="X", help="a model, ONNX file, sha256, run ID, revision, registry address or server")
    add("--server", action="append", default=[], metavar="URL", help="a server to ask whether it serves this file")
    add("--token-file", type=Path, metavar="FILE", help="file with the bearer token of the servers")
    add("--verbose", action="store_true", help="print the checks that pass, too")
    add("--json", action="store_true", help="print JSON, with every value and check")
    attest = command.add_argument_group("attestation")
    add = attest.add_argument
    add("--attest", type=Path, metavar="FILE", help="write SLSA provenance, such as model.onnx.intoto.jsonl")
    add(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="PRIVATE.pem",
        help="sign it; several times for several",
    )
    add("--builder", metavar="URI", default=BUILDER, help="URI of who vouches for the build (default: %(default)s)")
    command.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> None:
    from penstock.core import console
    from penstock.lineage.attest import write_attestation
    from penstock.lineage.chain import chain_of
    from penstock.lineage.links import is_intact
    from penstock.lineage.output import document, print_chain
    from penstock.lineage.server import ask
    from penstock.lineage.subject import open_subject
    from penstock.serving.auth import read_token

    keys = _private_keys(chosen)
    token = read_token(chosen.token_file) if chosen.token_file else None
    with open_subject(chosen.model, token) as found:
        with contextlib.redirect_stdout(sys.stderr):  # what code of one's own prints is no part of the JSON
            chain = chain_of(found, [ask(address, token) for address in chosen.server])
        if chosen.json:
            print(json.dumps(document(chain), indent=2, ensure_ascii=False))
        else:
            print_chain(chain, every_check=chosen.verbose)
        if chosen.attest:
            write_attestation(chain, chosen.attest, keys, chosen.builder)
            console.errors.print(_attested(chosen.attest, len(keys)), markup=False)
        if not is_intact(chain.links):
            sys.exit(1)


def _private_keys(chosen: argparse.Namespace) -> list[PrivateKey]:
    """Read the keys before anything is computed.

    Raises:
        ConfigError: A key cannot be read, or there is nothing to sign.
    """
    from penstock.attestation.keys import load_private_key
    from penstock.core.errors import ConfigError

    if chosen.key and not chosen.attest:
        raise ConfigError("--key: signs an attestation; name its file by --attest FILE")
    return [load_private_key(path) for path in chosen.key]


def _attested(path: Path, keys: int) -> str:
    if keys:
        return f"{path}: written, with {counted(keys, 'signature')}"
    return f"{path}: written without a signature, as a plain in-toto Statement; `--key PRIVATE.pem` signs it"
