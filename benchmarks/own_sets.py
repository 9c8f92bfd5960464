"""Write real data that packages ship, as files that people would have: `python -m benchmarks.own_sets [NAME...]`.

| name | file | what it is |
| --- | --- | --- |
| wine, breast_cancer, digits, diabetes | `NAME.csv` | tables of scikit-learn; `target` is a class or a number |
| penguins | `penguins.csv` | 344 penguins of the package palmerpenguins (CC-0), with categories and missing values |
| docs | `docs.jsonl` | documentation strings of scikit-learn, and the module that each belongs to |
| photos | `photos/<photo>/*.png` | patches of three colour photos of scikit-learn and matplotlib |
| numerals | `numerals/<digit>/*.png` | scikit-learn's digits, 8 x 8 grey pixels |
"""

from __future__ import annotations

import argparse
import csv
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import cbook
from numpy.typing import NDArray
from PIL import Image
from sklearn import datasets

MODULES = (
    *("cluster", "covariance", "datasets", "decomposition", "ensemble", "feature_extraction", "feature_selection"),
    *("linear_model", "manifold", "metrics", "model_selection", "neighbors", "preprocessing", "svm", "utils"),
)
SHORTEST = 100  # characters; shorter documentation strings say nothing about their module
PATCH = 32  # pixels of an edge


def write_csv(path: Path, table: Any) -> None:  # noqa: ANN401  (scikit-learn is untyped)
    """Write a table of scikit-learn with a header; the last column, `target`, is a class by name, or a number."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(name.replace(" ", "_") for name in table.feature_names), "target"])
        names = getattr(table, "target_names", None)
        for row, target in zip(table.data, table.target, strict=True):
            writer.writerow([*(f"{value:.8g}" for value in row), target if names is None else names[target]])


def _table(load: Callable[[], Any], path: Path) -> None:
    write_csv(path, load())


def _penguins(path: Path) -> None:
    """Copy the file of palmerpenguins, without the import of the package, which brings pandas."""
    shipped = distribution("palmerpenguins").locate_file("palmerpenguins/data/penguins.csv")
    path.write_bytes(Path(str(shipped)).read_bytes())


def _docs(path: Path) -> None:
    with path.open("w") as file:
        for module, text in _docstrings():
            file.write(json.dumps({"text": text, "module": module}) + "\n")


def _docstrings() -> Iterator[tuple[str, str]]:
    """Yield module and documentation string of every public class, method and function; none twice."""
    seen = set()
    for name in MODULES:
        module = import_module(f"sklearn.{name}")
        for public in sorted(module.__all__):
            thing = vars(module).get(public)  # some names are experimental, and need an import of their own
            methods = sorted(vars(thing)) if inspect.isclass(thing) else ()
            for one in (thing, *(getattr(thing, method) for method in methods if not method.startswith("_"))):
                text = inspect.getdoc(one) if inspect.isclass(one) or inspect.isroutine(one) else None
                if text and len(text) > SHORTEST and text not in seen:
                    seen.add(text)
                    yield name, text


def _photos(folder: Path) -> None:
    for name, photo in (
        ("temple", datasets.load_sample_image("china.jpg")),
        ("flower", datasets.load_sample_image("flower.jpg")),
        ("portrait", np.asarray(Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))),
    ):
        height, width = (edge // PATCH * PATCH for edge in photo.shape[:2])
        corners = [(top, left) for top in range(0, height, PATCH) for left in range(0, width, PATCH)]
        _write_images(folder / name, [photo[top : top + PATCH, left : left + PATCH] for top, left in corners])


def _numerals(folder: Path) -> None:
    digits = datasets.load_digits()
    pixels = (digits.images * 15.9).astype(np.uint8)
    for digit in range(10):
        _write_images(folder / str(digit), list(pixels[digits.target == digit]))


def _write_images(folder: Path, images: list[NDArray[np.uint8]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03}.png")


SETS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "wine": ("wine.csv", partial(_table, datasets.load_wine)),
    "breast_cancer": ("breast_cancer.csv", partial(_table, datasets.load_breast_cancer)),
    "digits": ("digits.csv", partial(_table, datasets.load_digits)),
    "diabetes": ("diabetes.csv", partial(_table, datasets.load_diabetes)),
    "penguins": ("penguins.csv", _penguins),
    "docs": ("docs.jsonl", _docs),
    "photos": ("photos", _photos),
    "numerals": ("numerals", _numerals),
}
"""File or folder of each set, and what writes it."""


def write_set(name: str, folder: Path) -> Path:
    """Write a set into a folder, and return its file or folder."""
    file, write = SETS[name]
    write(folder / file)
    return folder / file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_sets", description="Write real data as files.")
    parser.add_argument("name", nargs="*", choices=[*SETS, []], help="sets to write (all of them)")
    for wanted in parser.parse_args().name or SETS:
        try:
            print(write_set(wanted, Path()))
        except PackageNotFoundError as missing:
            print(f"{wanted}: not written; `pip install {missing.name}` first", file=sys.stderr)
