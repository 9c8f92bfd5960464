"""Define the command `penstock predict`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.core.errors import ConfigError
from penstock.core.paths import Project

if TYPE_CHECKING:
    from penstock.serving.runtime.model import ServedModel

SEPARATORS = {"tab": "\t", "\\t": "\t"}


def add_predict_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    predict = commands.add_parser("predict", help="predict a row, or the rows of a CSV file, with a validated model")
    add = predict.add_argument
    add("model", help="name of the model, or path of an ONNX file")
    add(
        "input",
        nargs="*",
        default=[],  # else argparse names it among the arguments that are required
        help="one row: values in the order of the columns or COLUMN=VALUE, a text, or an image file",
    )
    rows = "predict every row of a CSV file with a header (no other format; of images, their paths)"
    add("--csv", metavar="FILE", help=f"{rows}; `-` is standard input")
    add("--output", type=Path, metavar="FILE", help="write the rows and their answers to a file (default: print them)")
    add("--sep", type=_separator, default=",", help="separator of the fields, `tab` for TSV (default: a comma)")
    add("--encoding", type=_encoding, default="utf-8-sig", help="encoding of the CSV file (default: UTF-8)")
    add("--extra-columns", action="store_true", help="copy columns that the model does not take to the output")
    add("--allow-unvalidated", action="store_true", help="use an ONNX file without a validation record as well")
    predict.set_defaults(run=_run)


def _separator(text: str) -> str:
    separator = SEPARATORS.get(text, text)
    if len(separator) != 1 or separator in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is not one character; `tab` stands for a tab")
    return separator


def _encoding(text: str) -> str:
    try:
        "".encode(text)
    except LookupError:
        raise argparse.ArgumentTypeError(f"{text!r} is no encoding; try utf-8, utf-16, latin-1 or cp1252") from None
    return text


def _run(chosen: argparse.Namespace) -> None:
    if bool(chosen.input) == (chosen.csv is not None):
        raise ConfigError("penstock predict: give either one row, or --csv FILE")
    model = _load(chosen.model, allow_unvalidated=chosen.allow_unvalidated)
    if chosen.csv is None:
        _print_row(model, chosen.input)
        return
    from penstock.prediction.csv_file import CsvFormat
    from penstock.prediction.predict_csv import predict_csv

    form = CsvFormat(chosen.sep, chosen.encoding)
    predict_csv(model, chosen.csv, chosen.output, form, extra_columns=chosen.extra_columns)


def _load(name: str, *, allow_unvalidated: bool) -> ServedModel:
    """Load a model of the project, or an ONNX file anywhere."""
    from penstock.serving.runtime.repository import load_named
    from penstock.serving.runtime.sources import SUFFIX, model_files, require_sources

    if not name.endswith(SUFFIX):
        return load_named(name, Project.find().served)
    require_sources([Path(name)])
    (file, *_) = [one for one in model_files([Path(name)]).values() if one.path.name == Path(name).name]
    return file.load(allow_unvalidated=allow_unvalidated)


def _print_row(model: ServedModel, words: list[str]) -> None:
    from penstock.prediction.one_row import predict_words

    answer = predict_words(model, words)
    if not model.classes or model.runs_whole:
        print(json.dumps(answer, ensure_ascii=False))
        return
    print(answer["label"])
    for name, probability in answer["probabilities"].items():
        print(f"  {name:<12} {probability:.4f}")
