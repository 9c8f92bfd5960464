"""Find the ONNX files of what is to be served: files, folders of one model, and folders of those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from os.path import realpath, relpath
from pathlib import Path

from penstock.core.errors import ConfigError, PenstockError, nearest
from penstock.core.file_state import FileState
from penstock.core.listed_models import is_listed, listed_names, missing_step
from penstock.core.model_files import INT8, ONNX, VALIDATION, attestation_of, validation_of
from penstock.core.paths import Project
from penstock.serving.runtime.model import ServedModel, load_model, serves_int8
from penstock.serving.runtime.onnx_file import NotOnnxError, external_files

SUFFIX = ".onnx"

FileStates = tuple[FileState | None, ...]


@dataclass(frozen=True)
class ModelFile:
    """A model's ONNX file, and the validation record that names its sha256."""

    name: str
    path: Path
    validation: Path
    is_listed: bool = True
    """Whether params.yaml has the model, if the folder is one of a project."""

    @property
    def state(self) -> FileStates:
        """Changes when the ONNX file, its validation record, its attestation or its external data do."""
        state = FileState.of(self.path)
        external = _external_paths(self.path, state) if state else ()
        return (
            state,
            FileState.of(self.validation),
            FileState.of(attestation_of(self.path)),
            *map(FileState.of, external),
        )

    @property
    def is_withdrawn(self) -> bool:
        """Whether it is an int8 candidate that is no longer to be served."""
        return self.path.name == INT8 and serves_int8(self.validation) is False

    def without_path(self, message: str) -> str:
        """Return a message for clients, who need not know where the files are."""
        home = self.path.parent
        shown = "/".join(part for part in home.parts[-2:] if part != home.anchor)
        return message.replace(str(home), shown) if shown else message

    def load(self, *, allow_unvalidated: bool = False, attestation_key: Path | None = None) -> ServedModel:
        """Load the model, as `load_model` does.

        Raises:
            PenstockError: It is not listed, not validated, or not a valid ONNX file.
        """
        if not self.is_listed:
            home = self.path.parent
            raise PenstockError(f"{home}: not served, since params.yaml has no such model; `rm -r {home}` deletes it")
        return load_model(
            self.name,
            self.path,
            self.validation,
            allow_unvalidated=allow_unvalidated,
            attestation_key=attestation_key,
        )


@lru_cache(maxsize=1024)
def _external_paths(path: Path, _state: FileState) -> tuple[Path, ...]:
    """Return the files beside an ONNX file that hold its weights; it is read once for each of its states."""
    if not path.is_file():  # to read a pipe would take forever
        return ()
    try:
        locations = external_files(path.read_bytes())
    except (OSError, NotOnnxError):
        return ()
    # A location elsewhere is an error when the file is loaded.
    return tuple(path.parent / one for one in locations if one and one == Path(one).name and "\0" not in one)


def model_files(sources: Sequence[Path]) -> dict[str, ModelFile]:
    """Find the model files of some sources, whether they are validated or not.

    A source is one of:

    - an ONNX file: its model has the name of the file, or for `model.onnx` that of its folder;
    - a folder with `model.onnx`: its model has the name of the folder;
    - a folder of such files and folders. Those whose name starts with a dot are being written and are skipped.

    An int8 candidate that is served is a model of its own, `<model>.int8`. Where two sources have the same model, that
    of the first is returned, unless params.yaml has only the other one.
    """
    found = {path: None for source in reversed(sources) for path in _models(source)}
    models = {_name(path): path for path in sorted(found, key=_is_listed)}
    files = [file for name, path in sorted(models.items()) for file in _files(name, path)]
    return {file.name: file for file in files}


def named_file(name: str, folders: Sequence[Path]) -> ModelFile:
    """Return the file of one model of folders.

    Raises:
        ConfigError: There is no such model, or it is one of params.yaml that is not exported yet.
    """
    files = model_files(folders)
    if name in files:
        return files[name]
    if step := _missing_step(folder / name for folder in folders):
        raise ConfigError(f"{name}: {step}")
    hint = nearest(name, {*files, *listed_names(folders)})
    raise ConfigError(f"{', '.join(map(str, folders))}: no model '{name}'{hint}")


def _missing_step(homes: Iterable[Path]) -> str:
    return next(filter(None, map(missing_step, homes)), "")


def require_sources(sources: Sequence[Path]) -> None:
    """Check what a command names.

    Raises:
        ConfigError: A source does not exist, is no ONNX file, or has the same model as another one.
    """
    by_name: dict[str, Path] = {}
    for source in sources:
        if not source.exists():
            raise ConfigError(f"{source}: {_why_absent(source)}")
        if source.is_file() and source.suffix != SUFFIX:
            raise ConfigError(f"{source}: not an {SUFFIX} file; export the model to ONNX")
        for path in _models(source):
            other = by_name.setdefault(_name(path), path)
            if realpath(other) != realpath(path):
                raise ConfigError(f"{path}: its name is '{_name(path)}', as that of {other}; rename one of them")


def _why_absent(source: Path) -> str:
    """Return what to do about a source that does not exist; it may be the name of a model of the project."""
    homes = [source.parent if source.name == ONNX else source]
    folders: Sequence[Path] = ()
    if source.name == str(source):
        with suppress(ConfigError):
            folders = Project.find().served
            homes = [folder / source for folder in folders]
    if step := _missing_step(homes):
        return step
    served = next((relpath(home) for home in homes if (home / ONNX).is_file() and is_listed(home)), None)
    hint = f"; did you mean '{served}'?" if served else _hint(source, listed_names(folders))
    return f"no such file or folder{hint}"


def _hint(source: Path, listed: Iterable[str]) -> str:
    beside = [path.name for path in source.parent.glob("*") if path.suffix == SUFFIX or path.is_dir()]
    hint = nearest(source.name, [*beside, *listed])
    return hint if "did you mean" in hint else "; name an ONNX file, a folder, or models:/NAME@ALIAS"


def _models(source: Path) -> Iterator[Path]:
    """Yield the ONNX files and the folders of one model in a source."""
    if source.is_file():
        yield _named(source.parent) if source.name == ONNX else source
    elif (source / ONNX).is_file():
        yield _named(source)
    else:
        yield from dict.fromkeys(path.parent for path in source.glob("[!.]*/model*.onnx"))
        yield from source.glob(f"[!.]*{SUFFIX}")


def _named(folder: Path) -> Path:
    """Return the path of a folder that ends in its name; `.` and `..` do not."""
    return folder if folder.name not in ("", "..") else folder.resolve()


def _name(path: Path) -> str:
    return path.stem if path.suffix == SUFFIX else path.name


def _is_listed(path: Path) -> bool:
    return path.suffix == SUFFIX or is_listed(path)


def _files(name: str, path: Path) -> Iterable[ModelFile]:
    if path.suffix == SUFFIX:
        return [ModelFile(name, path, validation_of(path))]
    return _files_of_folder(name, path)


def _files_of_folder(name: str, home: Path) -> Iterator[ModelFile]:
    onnx, int8, validation = home / ONNX, home / INT8, home / VALIDATION
    if FileState.of(onnx):
        yield ModelFile(name, onnx, validation, is_listed(home))
    if FileState.of(int8) and serves_int8(validation):
        yield ModelFile(f"{name}.int8", int8, validation, is_listed(home))
