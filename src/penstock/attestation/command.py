"""Define the command `penstock verify`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_verify_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    command = commands.add_parser("verify", help="verify an attestation: signature, form, and which file it is about")
    command.epilog = "Exit code: 0; 1 if a check fails; 2 if a key cannot be read. What is not checked does not fail."
    add = command.add_argument
    add("file", type=Path, help="the attestation, such as model.onnx.intoto.jsonl; any in-toto bundle or DSSE envelope")
    add(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="PUBLIC.pem",
        help="public key that must have signed it; several times for several keys (default: no signature is checked)",
    )
    add("--model", type=Path, metavar="FILE", help="the ONNX file (default: the one beside it, if it is there)")
    command.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> None:
    from penstock.attestation.bundle import read_bundle
    from penstock.attestation.keys import load_public_key
    from penstock.attestation.verify import verify_bundle
    from penstock.core.digests import file_digest

    keys = [load_public_key(path) for path in chosen.key]
    model = chosen.model or _file_beside(chosen.file)
    checks = verify_bundle(read_bundle(chosen.file), keys, file_digest(model, "sha256") if model else None)
    words = {True: "passed", False: "FAILED", None: "not checked"}
    for name, passed, text in checks:
        print(f"{name:<9}  {words[passed]:<11}  {_printable(text)}")
    if any(passed is False for _, passed, _ in checks):
        sys.exit(1)


def _printable(text: str) -> str:
    """Replace control characters, which a name in a foreign file may have for the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _file_beside(attestation: Path) -> Path | None:
    from penstock.attestation.bundle import SUFFIX

    file = attestation.with_name(attestation.name.removesuffix(SUFFIX))
    return file if file != attestation and file.is_file() else None
