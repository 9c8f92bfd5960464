"""params.yaml as frozen typed objects.

`load_config(path)` either returns a `Config` in which every value has been checked, or raises one `ConfigError`
with a line for each mistake: file, line, dotted key, what is wrong, and the nearest valid name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from penstock.errors import ConfigError, nearest

Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0, le=1)]
ProperShare = Annotated[float, Field(gt=0, lt=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
WebAddress = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$")]
Entry = TypeVar("Entry")
Entries = TypeVar("Entries", bound=Sized)
Document = Any  # whatever a YAML file holds; ruamel's nodes know their lines


class Settings(BaseModel):
    """A block of params.yaml: no unknown keys, no silent conversions, no changes after loading."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, block: Document) -> Document:
        if not isinstance(block, Mapping):
            return block
        for key in block:
            if key not in cls.model_fields:
                raise _mistake(f"unknown key{nearest(str(key), cls.model_fields)}", at=[key])
        # YAML writes a tuple as a list, which the strict rules do not take for one.
        return {key: tuple(value) if isinstance(value, list) else value for key, value in block.items()}


def _mistake(message: str, at: list[str]) -> PydanticCustomError:
    return PydanticCustomError("mistake", "{message}", {"message": message, "at": at})


def _not_empty(entries: Entries) -> Entries:
    if not entries:
        raise _mistake("needs at least one entry", at=[])
    return entries


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise _mistake(f"the smallest comes first, not {list(bounds)}", at=[])
    return bounds


def _folder_or_web(mirror: str) -> str:
    scheme, separator, _ = mirror.partition("://")
    if separator and scheme not in {"http", "https"}:
        raise _mistake(f"a mirror is a folder or begins with http:// or https://, not '{mirror}'", at=[])
    return mirror


class Download(Settings):
    mirrors: tuple[Annotated[str, AfterValidator(_folder_or_web)], ...]
    attempts: Positive
    pause_seconds: PositiveFloat
    timeout_seconds: PositiveFloat


class Tracking(Settings):
    uri: str


class Trainer(Settings):
    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]


class File(Settings):
    bytes: Positive
    sha256: Sha256


class TableInputs(Settings):
    kind: Literal["table"]


class ImageInputs(Settings):
    kind: Literal["image"]


class TextInputs(Settings):
    kind: Literal["text"]
    vocabulary: Annotated[int, Field(ge=3)]
    length: Positive


Inputs = Annotated[TableInputs | ImageInputs | TextInputs, Field(discriminator="kind")]


class Split(Settings):
    test: ProperShare | None
    validation: ProperShare
    seed: Seed
    folds: Annotated[int, Field(ge=2, le=100)]
    repeats: Positive
    drop_duplicates: bool


class Expectations(Settings):
    rows: dict[str, Positive]
    class_share: Annotated[tuple[Share, Share], AfterValidator(_ascending)]
    values: Annotated[tuple[float, float], AfterValidator(_ascending)]
    leakage: Annotated[int, Field(ge=0)]


class Dataset(Settings):
    official: Annotated[tuple[WebAddress, ...], AfterValidator(_not_empty)]
    files: Annotated[dict[str, File], AfterValidator(_not_empty)]
    inputs: Inputs
    split: Split
    limit: Annotated[int, Field(ge=30)] | None
    expect: Expectations


Activation = Literal["relu", "tanh", "sigmoid"]


class Mlp(Settings):
    """`hidden`: widths of the layers between input and output."""

    kind: Literal["mlp"]
    hidden: tuple[Positive, ...]
    activation: Activation


class Block(Settings):
    """One convolution of `filters` channels, then max-pooling over `pool` x `pool` pixels."""

    filters: Positive
    pool: Positive


class Convolutional(Settings):
    """`kernel`: edge of the filters in pixels; `dense`: widths of the layers between the last block and output."""

    kind: Literal["convolutional"]
    kernel: Positive
    blocks: Annotated[tuple[Block, ...], AfterValidator(_not_empty)]
    dense: tuple[Positive, ...]
    activation: Activation


class Recurrent(Settings):
    """`embedding` and `hidden` are widths; the dropouts are shares of a mask that holds for a whole sequence."""

    kind: Literal["recurrent"]
    cell: Literal["lstm"]
    embedding: Positive
    hidden: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    recurrent_dropout: Annotated[float, Field(ge=0, lt=1)]


Network = Annotated[Mlp | Convolutional | Recurrent, Field(discriminator="kind")]


class Adam(Settings):
    kind: Literal["adam"]
    learning_rate: PositiveFloat


class ConstantSchedule(Settings):
    kind: Literal["constant"]


class OneCycleSchedule(Settings):
    kind: Literal["one_cycle"]
    warm_up: ProperShare


Schedule = Annotated[ConstantSchedule | OneCycleSchedule, Field(discriminator="kind")]


class Training(Settings):
    seed: Seed
    epochs: Positive
    batch_size: Positive
    loss: Literal["cross_entropy", "binary_cross_entropy"]
    optimizer: Adam
    schedule: Schedule
    gradient_clip_norm: PositiveFloat | None
    early_stopping: Positive | None
    cross_validation: bool


class Gates(Settings):
    accuracy: Share
    parity: PositiveFloat


class Model(Settings):
    dataset: str
    network: Network
    training: Training
    gates: Gates


class Config(Settings):
    download: Download
    tracking: Tracking
    trainer: Trainer
    datasets: dict[Name, Dataset]
    models: dict[Name, Model]

    @model_validator(mode="after")
    def _know_every_dataset(self) -> Self:
        for name, model in self.models.items():
            if model.dataset not in self.datasets:
                hint = nearest(model.dataset, self.datasets)
                raise _mistake(f"unknown dataset '{model.dataset}'{hint}", at=["models", name, "dataset"])
        return self

    def model(self, name: str) -> Model:
        """The settings of one model; a `ConfigError` names the nearest valid name."""
        return _entry(self.models, name, "model")

    def dataset(self, name: str) -> Dataset:
        """The settings of one dataset; a `ConfigError` names the nearest valid name."""
        return _entry(self.datasets, name, "dataset")


def _entry(entries: Mapping[str, Entry], name: str, kind: str) -> Entry:
    if name not in entries:
        raise ConfigError(f"params.yaml: {kind}s: unknown {kind} '{name}'{nearest(name, entries)}")
    return entries[name]


def load_config(path: Path) -> Config:
    """Reads and checks params.yaml.

    Raises:
        ConfigError: the file is missing, is no YAML, or has mistakes; one line for each of them.
    """
    document = _read_yaml(path)
    try:
        # ruamel's own number and mapping types know their lines; the strict rules want Python's.
        return Config.model_validate(json.loads(json.dumps(document, default=str)))
    except (TypeError, RecursionError):
        raise ConfigError(
            f"{path.name}: every key must be a plain name, and blocks must not contain themselves"
        ) from None
    except ValidationError as error:
        lines = [_describe(path, document, details) for details in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def place_of(path: Path, dotted: str) -> str:
    """Where a key stands, as messages have it: params.yaml:107: models.iris_mlp.network.kind."""
    keys: list[str | int] = [int(key) if key.isdigit() else key for key in dotted.split(".")]
    return f"{path.name}:{_line(_read_yaml(path), keys)}: {dotted}"


def _read_yaml(path: Path) -> Document:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        # DVC reads the file with the same library: YAML 1.2, where 1e-4 is a number.
        return YAML().load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run from inside a Penstock project") from None
    except (YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f":{where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise ConfigError(f"{path.name}{line}: not valid YAML: {problem}") from None


def _describe(path: Path, document: object, details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    below = ("kind",) if details["type"].startswith("union_tag") else context.get("at", ())
    keys = _document_keys(document, (*details["loc"], *below))
    return f"{path.name}:{_line(document, keys)}: {_dotted(keys) or 'the file'}: {_message(details)}"


def _message(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "union_tag_invalid":
            expected = [tag.strip("'") for tag in context["expected_tags"].split(", ")]
            return f"unknown kind '{context['tag']}'{nearest(context['tag'], expected)}"
        case "missing" | "union_tag_not_found":
            return "missing key"
        case "mistake":
            return str(context["message"])
        case "literal_error":
            return f"{details['input']!r} is not one of {context['expected']}"
        case _:
            return f"{details['msg'][0].lower()}{details['msg'][1:]}, not {details['input']!r}"


def _document_keys(document: Document, location: tuple[str | int, ...]) -> list[str | int]:
    """The keys of `location` that stand in the file: pydantic adds the kind of a union and '[key]' marks."""
    keys: list[str | int] = []
    for position, part in enumerate(location):
        if _holds(document, part):
            document = document[part]
        elif position < len(location) - 1 or part == "[key]":
            continue
        keys.append(part)
    return keys


def _holds(document: Document, key: str | int) -> bool:
    if isinstance(document, list):
        return isinstance(key, int) and key < len(document)
    return isinstance(document, dict) and key in document


def _dotted(keys: list[str | int]) -> str:
    return ".".join(str(key) for key in keys)


def _line(document: Document, keys: list[str | int]) -> int:
    """The line, counted from 1, of the deepest of `keys` that is in the file."""
    line = 0
    for key in keys:
        if not _holds(document, key):
            break
        # What a YAML merge (<<) brings in has no place of its own; the block that it is merged into has.
        marks: Document = document.lc.data or {}
        line = marks[key][0] if key in marks else line
        document = document[key]
    return line + 1
