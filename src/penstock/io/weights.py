"""Save and load weights as safetensors, without pickle. The file header contains the provenance."""

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

# One metadata entry only: safetensors writes several in no fixed order, and the bytes must be reproducible.
_HEADER = "penstock"
# Prefix of tensors that are not weights; reports show them.
_SHOWN = "shown."


def save_weights(path: Path, tensors: dict[str, Tensor], provenance: Provenance, shown: Mapping[str, Tensor]) -> None:
    """Write the weights, and other tensors for reports.

    Args:
        path: Output file.
        tensors: Weights by name.
        provenance: Provenance of the weights.
        shown: Tensors for reports, by name.

    Raises:
        OSError: The file cannot be written.
    """
    everything = tensors | {f"{_SHOWN}{name}": tensor for name, tensor in shown.items()}
    contiguous = {name: tensor.contiguous() for name, tensor in everything.items()}
    with atomic_write(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata={_HEADER: json.dumps(asdict(provenance))})
        except SafetensorError as error:  # safetensors raises this for every OSError
            raise OSError(errno.EIO, str(error)) from None


def read_provenance(path: Path) -> Provenance:
    """Read the provenance only.

    Raises:
        MissingFileError: The file is missing or invalid.
    """
    with _opened(path) as file:
        return _provenance(file)


def load_weights(path: Path, module: nn.Module) -> Provenance:
    """Load the weights into `module`, and return their provenance.

    Args:
        path: The weights file.
        module: Network with the same parameter names and shapes.

    Raises:
        MissingFileError: The file is missing or invalid, or it contains the weights of another network.
    """
    with _opened(path) as file:
        names = [name for name in _names(file) if not name.startswith(_SHOWN)]
        module.load_state_dict({name: file.get_tensor(name) for name in names})
        return _provenance(file)


def read_shown(path: Path) -> dict[str, Tensor]:
    """Read the tensors for reports, by name.

    Raises:
        MissingFileError: The file is missing or invalid.
    """
    with _opened(path) as file:
        names = [name for name in _names(file) if name.startswith(_SHOWN)]
        return {name.removeprefix(_SHOWN): file.get_tensor(name) for name in names}


def _names(file: Any) -> list[str]:  # noqa: ANN401  (safetensors is untyped)
    return list(file.keys())


def _provenance(file: Any) -> Provenance:  # noqa: ANN401  (safetensors is untyped)
    return Provenance(**json.loads((file.metadata() or {})[_HEADER]))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file; run `dvc repro` to create it") from None
    except (SafetensorError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise MissingFileError(f"{path}: not the weights of this network ({reason}); train it again") from None
