"""Weights on disk: safetensors, nothing is unpickled, with the provenance in the file's header."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from penstock.core.errors import MissingFileError
from penstock.io.files import atomic_write
from penstock.io.provenance import Provenance

# One entry: safetensors writes several in no fixed order, and the same weights must be the same bytes.
_HEADER = "penstock"
# Names of what is no weight but is shown to people.
_SHOWN = "shown."


def save_weights(path: Path, tensors: dict[str, Tensor], provenance: Provenance, shown: Mapping[str, Tensor]) -> None:
    """Writes weights by name and, apart from them, what people want to see of the training."""
    everything = tensors | {f"{_SHOWN}{name}": tensor for name, tensor in shown.items()}
    contiguous = {name: tensor.contiguous() for name, tensor in everything.items()}
    with atomic_write(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata={_HEADER: json.dumps(asdict(provenance))})
        except SafetensorError as error:  # what it makes of any OSError
            raise OSError(errno.EIO, str(error)) from None


def read_provenance(path: Path) -> Provenance:
    """Only the header; the same errors as `load_weights`."""
    with _opened(path) as file:
        return _lineage(file)


def load_weights(path: Path, module: nn.Module) -> Provenance:
    """Puts the file's tensors into `module`, which must have the same names and shapes; returns the provenance.

    Raises:
        MissingFileError: the file is not there, or is not one that training wrote for this network.
    """
    with _opened(path) as file:
        names = [name for name in file.keys() if not name.startswith(_SHOWN)]  # noqa: SIM118
        module.load_state_dict({name: file.get_tensor(name) for name in names})
        return _lineage(file)


def read_shown(path: Path) -> dict[str, Tensor]:
    """What `save_weights` was given to show; the same errors as `load_weights`."""
    with _opened(path) as file:
        names = [name for name in file.keys() if name.startswith(_SHOWN)]  # noqa: SIM118
        return {name.removeprefix(_SHOWN): file.get_tensor(name) for name in names}


def _lineage(file: Any) -> Provenance:  # noqa: ANN401  (safetensors is untyped)
    return Provenance(**json.loads((file.metadata() or {})[_HEADER]))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file; `dvc repro` makes it") from None
    except (SafetensorError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise MissingFileError(f"{path}: not the weights of this network ({reason}); train it again") from None
