"""Load a function or class from a file of the project, and name its mistakes by file and line."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from penstock.core.errors import OwnCodeError, PenstockError, nearest

INSTALLED = {"site-packages", "dist-packages"}
PENSTOCK = ("pipelines/", "src/penstock/")  # of a clone
# Packages that have the same content under another name, and the name that is installed with Penstock.
OTHER_NAMES = {"lightning": "pytorch_lightning"}


@contextmanager
def own_errors(root: Path, shown: str = "") -> Iterator[None]:
    """Turn any error of the user's code into one line.

    Args:
        root: Folder of the project.
        shown: What is named where no line of the project was running. Empty leaves such an error as it is.

    Raises:
        OwnCodeError: The block raised an error: `my_models.py:12: ValueError: ...`.
    """
    try:
        yield
    except PenstockError:
        raise
    except (Exception, SystemExit) as error:
        problem = next(iter(str(error).splitlines()), "")
        if isinstance(error, SyntaxError):
            place, problem = f"{_relative(root, error.filename) or shown}:{error.lineno}", error.msg
        else:
            place = _last_line(root, error) or shown
        if not place:
            raise
        raise OwnCodeError(f"{place}: {type(error).__name__}: {problem}{_hint(error)}") from None


def _hint(error: BaseException) -> str:
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return f"; write `import {OTHER_NAMES[missing]}`" if missing in OTHER_NAMES else ""


def named_place(root: Path, error: Exception) -> tuple[str, str]:
    """Return the line of the project that an error names, or that raised it, and its cause in one line.

    Errors of torch's exporters name lines of the network in their text.
    """
    places = [(_relative(root, file), line) for file, line in re.findall(r'File "([^"]+)", line (\d+)', str(error))]
    place = next((f"{name}:{line}" for name, line in reversed(places) if name), "")
    cause = error.__cause__ or error
    return place or _last_line(root, error), next(iter(str(cause).splitlines()), type(cause).__name__)


def _last_line(root: Path, error: BaseException) -> str:
    """Return file and line of the innermost line of the project that was running; empty if there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [(_relative(root, frame.filename), frame.lineno) for frame in frames]
    return next((f"{name}:{line}" for name, line in reversed(places) if name), "")


def _relative(root: Path, filename: str | None) -> str:
    """Return a file of the user relative to the project; empty if it is none."""
    path = Path(filename or "")
    if not filename or not path.is_relative_to(root):
        return ""
    relative = path.relative_to(root)
    is_other = INSTALLED & set(relative.parts) or relative.as_posix().startswith(PENSTOCK)
    return "" if is_other else relative.as_posix()


def load_object(root: Path, file: str, name: str, code: str) -> Callable[..., Any]:
    """Import a file of the project, and return the function or class of that name.

    Args:
        root: Folder of the project.
        file: The file, relative to it.
        name: The function or class.
        code: The file, or the folder that it is in; all that it imports of the project must be there.

    Raises:
        OwnCodeError: There is no such file or name, or importing it fails.
    """
    if not (root / file).is_file():
        raise OwnCodeError(f"{file}: no such file")
    module = _imported(root, file, code, _digest(root / code))
    found = getattr(module, name, None)
    if not callable(found):
        names = [one for one, value in vars(module).items() if callable(value) and not one.startswith("_")]
        raise OwnCodeError(f"{file}: has no function or class '{name}'{nearest(name, names)}")
    return found  # type: ignore[no-any-return]  # what a user's file holds


def _digest(code: Path) -> str:
    files = sorted(code.rglob("*.py")) if code.is_dir() else [code]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@cache
def _imported(root: Path, file: str, code: str, digest: str) -> ModuleType:
    """Import a file as the module that its path names, so that files of a folder may import one another."""
    del digest  # an edited file is imported anew
    for name, module in list(sys.modules.items()):
        if _is_within(root, _file_of(root, module), code):
            del sys.modules[name]
    if str(root) not in sys.path:
        sys.path.append(str(root))  # last: no file of a project hides an installed package
    name = file.removesuffix(".py").replace("/", ".")
    _require_free_name(file, name.partition(".")[0])
    before = set(sys.modules)
    with own_errors(root, file):
        spec = importlib.util.spec_from_file_location(name, root / file)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    _require_tracked(root, file, code, set(sys.modules) - before)
    return module


def _require_free_name(file: str, name: str) -> None:
    """Require that no module of Python or of an installed package has the name: others would import the user's file."""
    spec = PathFinder.find_spec(name)
    places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
    is_installed = any(INSTALLED & set(Path(place).parts) for place in places)
    if is_installed or name == "penstock" or name in sys.stdlib_module_names:
        raise OwnCodeError(f"{file}: '{name}' is a module of Python or of an installed package; choose another name")


def _require_tracked(root: Path, file: str, code: str, imported: set[str]) -> None:
    """Require that DVC tracks all files of the project that an import has brought."""
    for name in sorted(imported):
        used = _file_of(root, sys.modules.get(name))
        if used and not _is_within(root, used, code):
            del sys.modules[name]  # so that the next attempt fails as well
            raise OwnCodeError(
                f"{file}: imports {used}, which DVC would not track; put both in one folder of their own, such as "
                f"networks/{Path(file).name}"
            )


def _file_of(root: Path, module: ModuleType | None) -> str:
    """Return the file of a module of the user, relative to the project; empty for all other modules."""
    return _relative(root, getattr(module, "__file__", None))


def _is_within(root: Path, file: str, code: str) -> bool:
    return bool(file) and (root / code in (root / file, *(root / file).parents))
