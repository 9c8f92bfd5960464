"""The search space of a model: checked against its settings, drawn by Optuna or listed as a grid."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from penstock.config.base import Document
from penstock.config.loading import line_of, locate_mistake, place_of, read_document
from penstock.config.model_keys import NumberType, changed_entry, full_key, model_keys
from penstock.config.models import ModelConfig
from penstock.config.params import Config
from penstock.config.search import Dimension, Dimensions, NumberRangeConfig
from penstock.core.errors import ConfigError, nearest
from penstock.search.objectives import objective_of

if TYPE_CHECKING:
    import optuna

Values = dict[str, Any]
Place = Callable[[str], str]
SIGNIFICANT_DIGITS = 3  # of a drawn fraction; more make no difference to a training, and are hard to read
_SPACE: TypeAdapter[dict[str, Dimension]] = TypeAdapter(Dimensions)


@dataclass(frozen=True)
class SearchSpace:
    """The values to try of some settings of a model.

    Example:
        ```python
        space = SearchSpace.of_params(Path("params.yaml"), config, "iris_mlp")
        values = space.suggest(trial)  # {"training.batch_size": 16, "training.optimizer.learning_rate": 0.0123}
        changed = apply(config, "iris_mlp", values)
        ```
    """

    model: ModelConfig
    dimensions: Mapping[str, Dimension]
    """By the whole dotted key, in the order in which they were written."""
    _numbers: dict[str, NumberType | None] = field(repr=False)

    @classmethod
    def of_params(cls, params: Path, config: Config, model: str) -> SearchSpace:
        """Return the space in params.yaml, `search.<model>.space`.

        Raises:
            ConfigError: params.yaml has none for this model, or it does not fit the model; one line for each mistake.
        """
        objective_of(config, model)
        if model not in config.search:
            raise ConfigError(
                f"{params.name}: search: no entry '{model}'; add one, or use `--space FILE` or `--grid KEY=a,b`"
            )
        return _checked(config, model, config.search[model].space, _place_in_params(params, model))

    @classmethod
    def of_file(cls, path: Path, config: Config, model: str) -> SearchSpace:
        """Return the space in a YAML file that holds what `search.<model>.space` holds.

        Raises:
            ConfigError: The file has mistakes; one line for each of them.
        """
        if not path.exists():
            raise ConfigError(f"--space {path}: no such file")
        document = read_document(path)

        def place(key: str) -> str:
            return f"{path.name}:{line_of(document, [key])}: {key}"

        return _checked(config, model, _read_dimensions(path, document), place)

    @classmethod
    def of_grid(cls, options: Sequence[str], config: Config, model: str) -> SearchSpace:
        """Return the space of options such as `optimizer.kind=sgd,adam`, with values in YAML.

        Raises:
            ConfigError: An option has a mistake; one line for each of them.
        """
        dimensions: dict[str, Dimension] = {}
        for option in options:
            key, values = _parse_grid(option)
            if key in dimensions:
                raise ConfigError(f"--grid {key}: is given twice; list all values in one option")
            dimensions[key] = values
        return _checked(config, model, dimensions, lambda key: f"--grid {key}")

    def suggest(self, trial: optuna.Trial) -> Values:
        """Draw a value of each setting. Settings that the drawn `kind` does not have are left out.

        The names of Optuna's parameters are the dotted keys. Lists and mappings are Optuna's choices as JSON.
        """
        return self._drawn(lambda key, values: _suggest(trial, key, values, self._numbers[key]))

    def values(self, parameters: Mapping[str, Any]) -> Values:
        """Return the settings that a trial's parameters in Optuna's storage stand for."""
        return self._drawn(lambda key, values: _decoded(parameters[key], values))

    def _drawn(self, draw: Callable[[str, Dimension], Any]) -> Values:
        drawn = {key: draw(key, self.dimensions[key]) for key in self._kinds}
        rest = self._keys_of(drawn)
        drawn |= {key: draw(key, self.dimensions[key]) for key in rest}
        return self._ordered(drawn)

    def grid(self) -> list[Values]:
        """List all combinations of the values, the last setting changing fastest.

        Raises:
            ConfigError: A range of fractions has no step.
        """
        listed = {key: _listed(key, values, self._numbers[key]) for key, values in self.dimensions.items()}
        found = []
        for kinds in self._kind_combinations():
            keys = [key for key in self.dimensions if key in kinds or key in self._keys_of(kinds)]
            columns = [[kinds[key]] if key in kinds else listed[key] for key in keys]
            found += [dict(zip(keys, row, strict=True)) for row in product(*columns)]
        return found

    @property
    def _kinds(self) -> list[str]:
        return [key for key in self.dimensions if key.endswith(".kind")]

    def _kind_combinations(self) -> Iterator[Values]:
        """Yield each combination of kinds; without a kind among the settings, one empty combination."""
        for row in product(*(_listed(key, self.dimensions[key], None) for key in self._kinds)):
            yield dict(zip(self._kinds, row, strict=True))

    def _keys_of(self, kinds: Values) -> list[str]:
        """Return the settings, other than kinds, that the model has with these kinds."""
        known = model_keys(self.model, {key: [kind] for key, kind in kinds.items()})
        return [key for key in self.dimensions if key in known and key not in kinds]

    def _ordered(self, values: Values) -> Values:
        return {key: values[key] for key in self.dimensions if key in values}

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """Yield the key and the problem of each value that the model's schema rejects."""
        for key, values in self.dimensions.items():
            if isinstance(values, NumberRangeConfig) and (problem := _problem_of_range(values, self._numbers[key])):
                yield key, problem
                return
        seen = set()
        for key, entry, error in self._rejected():
            located, problem = locate_mistake(entry, error)
            mistake = self._blamed(key, ".".join(map(str, located)), problem)
            if mistake not in seen:
                seen.add(mistake)
                yield mistake

    def _rejected(self) -> Iterator[tuple[str, Values, Any]]:
        """Try each value alone, with each combination of kinds and the first value of the other settings."""
        for kinds in self._kind_combinations():
            keys = self._keys_of(kinds)
            first = kinds | {key: _probes(self.dimensions[key], self._numbers[key])[0] for key in keys}
            for key in keys or self._kinds:
                probes = _probes(self.dimensions[key], self._numbers[key]) if key in keys else [kinds[key]]
                for value in probes:
                    entry = changed_entry(self.model, first | {key: value})
                    yield from ((key, entry, error) for error in _errors(self.model, entry))

    def _blamed(self, tried: str, key: str, problem: str) -> tuple[str, str]:
        """Return the setting of the space that a mistake is about, and the problem."""
        about = [one for one in self.dimensions if f"{key}.".startswith(f"{one}.") or one.startswith(f"{key}.")]
        return (about[0], problem) if about else (tried, f"{key}: {problem}")


def require_valid_spaces(params: Path, config: Config) -> None:
    """Check `search` in params.yaml against the models. Stages do not, since a changed model need not fit it.

    Raises:
        ConfigError: One line for each mistake.
    """
    lines = []
    for name in config.search:
        place = f"search.{name}"
        if name not in config.every_model:
            lines.append(f"{place_of(params, place)}: unknown model '{name}'{nearest(name, config.every_model)}")
            continue
        try:
            objective_of(config, name)
        except ConfigError as error:
            lines.append(f"{place_of(params, place)}: {error}")
            continue
        try:
            SearchSpace.of_params(params, config, name)
        except ConfigError as error:
            lines += str(error).splitlines()
    if lines:
        raise ConfigError("\n".join(lines))


def apply(config: Config, model: str, values: Mapping[str, Any]) -> Config:
    """Return the settings with other values of one model.

    Settings that another `kind` does not have are dropped; those that it has keep their value.

    Args:
        config: All settings; they stay as they are.
        model: Name of the model.
        values: By whole dotted key, such as `training.optimizer.kind`.

    Raises:
        ConfigError: The values do not fit the model, or each other; one line for each mistake.
    """
    document = config.model_dump(mode="json", exclude_unset=True)
    block = config.block_of_model(model)
    document[block][model] = changed_entry(config.model(model), values)
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        located = [locate_mistake(document, details) for details in error.errors()]
        lines = [f"{'.'.join(map(str, keys))}: {problem}" for keys, problem in located]
        raise ConfigError("\n".join(lines)) from None


def _checked(config: Config, name: str, written: Mapping[str, Dimension], place: Place) -> SearchSpace:
    """Return the space, with whole keys.

    Raises:
        ConfigError: The model has no score to search by, or a key or a value is wrong; one line for each mistake.
    """
    model = config.model(name)
    objective_of(config, name)
    lines: list[str] = []
    keys: dict[str, str] = {}
    for key in sorted(written, key=lambda key: not key.endswith("kind")):
        try:
            whole = full_key(key, model_keys(model, _kinds_in({keys[one]: written[one] for one in keys})))
        except ConfigError as error:
            lines.append(f"{place(key)}: {error}")
            continue
        if whole in keys.values():
            lines.append(f"{place(key)}: {whole} is given twice")
        if outer := [one for one in keys.values() if whole.startswith(f"{one}.") or one.startswith(f"{whole}.")]:
            lines.append(f"{place(key)}: {whole} and {outer[0]} overlap; vary one of them")
        keys[key] = whole
    dimensions = {keys[key]: written[key] for key in written if key in keys}
    space = SearchSpace(model, dimensions, model_keys(model, _kinds_in(dimensions)))
    if not lines:
        as_written = {whole: key for key, whole in keys.items()}
        found = sorted(space.mistakes(), key=lambda mistake: list(dimensions).index(mistake[0]))
        lines = [f"{place(as_written[key])}: {problem}" for key, problem in found]
    if lines:
        raise ConfigError("\n".join(lines))
    return space


def _kinds_in(dimensions: Mapping[str, Dimension]) -> dict[str, list[str]]:
    return {
        key: [str(value) for value in values]
        for key, values in dimensions.items()
        if key.endswith(".kind") and not isinstance(values, NumberRangeConfig)
    }


def _place_in_params(params: Path, model: str) -> Place:
    def place(key: str) -> str:
        keys = ["search", model, "space", key]
        return f"{params.name}:{line_of(read_document(params), keys)}: {'.'.join(keys)}"

    return place


def _read_dimensions(path: Path, document: Document) -> dict[str, Dimension]:
    try:
        return _SPACE.validate_python(json.loads(json.dumps(document, default=str)), strict=True)
    except (TypeError, ValueError) as error:
        details = error.errors() if isinstance(error, ValidationError) else []
        located = [locate_mistake(document, one) for one in details]
        lines = [
            f"{path.name}:{line_of(document, keys)}: {'.'.join(map(str, keys)) or 'the file'}: {problem}"
            for keys, problem in located
        ]
        raise ConfigError("\n".join(lines) or f"{path.name}: every key must be a plain name") from None


def _parse_grid(option: str) -> tuple[str, Dimension]:
    """Parse KEY=a,b,c."""
    key, separator, text = option.partition("=")
    if not separator or not key or not text.strip():
        raise ConfigError(f"--grid {option}: write KEY=a,b,c, such as training.batch_size=16,32")
    try:
        values = YAML(typ="safe").load(f"[{text}]")
        return key, _SPACE.validate_python({key: values})[key]
    except ValidationError as error:
        keys, problem = locate_mistake({key: values}, error.errors()[0])
        raise ConfigError(f"--grid {'.'.join(map(str, keys))}: {problem}") from None
    except (YAMLError, ValueError):
        raise ConfigError(f"--grid {key}: {text} are not values in YAML, separated by commas") from None


def _errors(model: ModelConfig, entry: Values) -> list[Any]:
    try:
        type(model).model_validate(entry)
    except ValidationError as error:
        return list(error.errors())
    return []


def _problem_of_range(values: NumberRangeConfig, number: NumberType | None) -> str | None:
    if number is None:
        return "is no number; list its values"
    whole = all(isinstance(one, int) for one in (values.low, values.high, values.step) if one is not None)
    return "takes integers: low, high and step must be some" if number is int and not whole else None


def _probes(values: Dimension, number: NumberType | None) -> list[Any]:
    if isinstance(values, NumberRangeConfig):
        return [number(values.low), number(values.high)] if number else [values.low, values.high]
    return list(values)


def _listed(key: str, values: Dimension, number: NumberType | None) -> list[Any]:
    """Return all values of a setting."""
    if not isinstance(values, NumberRangeConfig):
        return list(values)
    step = values.step or (1 if number is int and not values.log else None)
    if step is None:
        raise ConfigError(f"{key}: has no step; a grid needs a list of values, or {{low, high, step}}")
    count = round((values.high - values.low) / step) + 1
    return [
        _rounded(values.low + position * step, values) if number is float else values.low + position * step
        for position in range(count)
    ]


def _suggest(trial: optuna.Trial, key: str, values: Dimension, number: NumberType | None) -> object:
    if not isinstance(values, NumberRangeConfig):
        choices = [_encoded(one) for one in values]
        return _decoded(trial.suggest_categorical(key, choices), values)
    if number is int:
        return trial.suggest_int(key, int(values.low), int(values.high), log=values.log, step=int(values.step or 1))
    drawn = trial.suggest_float(key, values.low, values.high, log=values.log, step=values.step)
    return _rounded(drawn, values)


def _encoded(choice: Document) -> Document:
    """Return a choice as Optuna stores it."""
    return json.dumps(choice) if isinstance(choice, list | dict) else choice


def _decoded(stored: object, values: Dimension) -> object:
    if isinstance(values, NumberRangeConfig):
        return _rounded(stored, values) if isinstance(stored, float) else stored
    return next(one for one in values if _encoded(one) == stored and type(_encoded(one)) is type(stored))


def _rounded(number: float, values: NumberRangeConfig) -> float:
    """Round to what tells a thousand values of the range apart; on a logarithmic scale, to significant digits."""
    digits = SIGNIFICANT_DIGITS - math.ceil(math.log10(values.high - values.low))
    if values.log:
        digits = max(digits, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(number) or 1)))
    if values.step:
        digits = max(digits, SIGNIFICANT_DIGITS - math.floor(math.log10(values.step)))
    return min(max(round(number, digits), float(values.low)), float(values.high))
