"""Settings of small datasets, and files for them."""

import io
import zipfile

import numpy as np
from PIL import Image

from penstock.config.data import DatasetConfig

SPLIT = {"test": 0.2, "validation": 0.2, "seed": 1}


def dataset(source, inputs, target, *, split=None, checks=None):
    files = set(source["parts"].values()) | ({source["images"]} if source.get("images") else set())
    return DatasetConfig.model_validate(
        {
            "folder": "here",
            "files": {name: {"bytes": 1, "sha256": "0" * 64} for name in files},
            "description": "rows",
            "behaviour": {},
            "source": source,
            "inputs": inputs,
            "target": target,
            "split": SPLIT | (split or {}),
            "checks": {"rows": {"all": 1}} | (checks or {}),
        }
    )


def columns_of(kind, **settings):
    """A mixed table of one column, `x`, and a target of numbers, `y`."""
    return {"kind": "columns", "columns": {"x": {"kind": kind, **settings}}}


NUMBER = {"kind": "number", "columns": ["y"]}


def csv_source(**settings):
    return {"kind": "csv", "parts": {"all": "a.csv"}, **settings}


def archive(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, member in members.items():
            file.writestr(name, member)
    return content.getvalue()


def png(pixels, **settings):
    content = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    image.save(content, "PNG", **settings)
    return content.getvalue()
