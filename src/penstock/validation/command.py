"""Define the command `penstock validate-onnx`."""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote

from penstock.core.arguments import positive_int, tolerance


def add_validate_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    command = commands.add_parser(
        "validate-onnx",
        help="validate an ONNX file that this pipeline did not make, so that `penstock serve` serves it",
    )
    add = command.add_argument
    add("file", type=Path, help="the ONNX file, or its folder if it is named model.onnx")
    add(
        "--reference",
        type=Path,
        metavar="FILE.npz",
        help="arrays of numpy.savez, named by input and by output: inputs, and the outputs that the model must have "
        "for them (default: made inputs are run, and no output is compared)",
    )
    add("--rtol", type=tolerance, default=1e-3, help="relative tolerance of outputs (default: %(default)g)")
    add("--atol", type=tolerance, default=1e-5, help="absolute tolerance of outputs (default: %(default)g)")
    add(
        "--batch-size",
        type=positive_int,
        default=16,
        metavar="N",
        help="run 1, 3 and N made rows, where the number of rows is open (default: %(default)s)",
    )
    command.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> None:
    from penstock.core.model_files import ONNX
    from penstock.validation.records import write_record
    from penstock.validation.reference import Tolerance
    from penstock.validation.validate import validate_onnx

    file: Path = chosen.file / ONNX if chosen.file.is_dir() else chosen.file
    found = validate_onnx(file, chosen.reference, Tolerance(chosen.rtol, chosen.atol), chosen.batch_size)
    record = write_record(file, found.digest, found.checks)
    print("\n".join(found.lines))
    print(f"{record}: written; `penstock serve {quote(str(chosen.file))}` serves this file")
