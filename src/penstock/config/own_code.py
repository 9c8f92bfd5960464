"""pipelines/code.yaml: the code outside of Penstock that the stages of each model depend on.

DVC fills in `${item...}` in dvc.yaml from every entry of `models`, so every entry needs the key. Only networks of kind
module have code of their own, and a path in params.yaml for all the others would say nothing. So the paths stand in a
file beside it, which DVC merges with params.yaml (`vars` in dvc.yaml).
"""

from __future__ import annotations

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from penstock.config.models import ModelConfig, ModelConfigs
from penstock.config.networks import ModuleConfig
from penstock.config.params import Config
from penstock.core.errors import ConfigError
from penstock.core.paths import Project

# DVC says only that it could not find the key; the key says what to run.
KEY = "code_by_penstock_config_write"
NO_CODE = "pipelines/workspace.py"  # which every stage runs
HEAD = f"""\
# Written by `penstock config --write`: the code of each model's own that its stages depend on; {NO_CODE}
# stands for none. DVC merges this file with params.yaml.
"""


def code_of(model: ModelConfig) -> str:
    """Return the path of dvc.yaml's `item.{KEY}`, relative to the project."""
    return model.network.code if isinstance(model.network, ModuleConfig) else NO_CODE


def own_code(config: Config) -> set[str]:
    """Return the paths of all code outside of Penstock."""
    return {code_of(model) for model in config.every_model.values()} - {NO_CODE}


def listed_code(project: Project) -> set[str]:
    """Return the paths of all code outside of Penstock, as pipelines/code.yaml has them."""
    return set(_listed(project).values()) - {NO_CODE}


def own_code_text(config: Config) -> str:
    """Return the content of pipelines/code.yaml for params.yaml."""
    blocks: dict[str, ModelConfigs] = {"models": config.models, "tuned": config.tuned}
    return HEAD + "".join(_block(name, models) for name, models in blocks.items() if models)


def _block(name: str, models: ModelConfigs) -> str:
    entries = "".join(f"  {model}: {{{KEY}: {code_of(settings)}}}\n" for model, settings in models.items())
    return f"{name}:\n{entries}"


def write_own_code(project: Project, config: Config) -> None:
    """Write pipelines/code.yaml, if it differs."""
    text = own_code_text(config)
    project.own_code.parent.mkdir(exist_ok=True)
    if not project.own_code.is_file() or project.own_code.read_text(encoding="utf-8") != text:
        project.own_code.write_text(text, encoding="utf-8")


def require_current_own_code(project: Project, config: Config, name: str | None = None) -> None:
    """Require that pipelines/code.yaml is as params.yaml has it.

    Args:
        project: The project.
        config: Its settings.
        name: Compare only this model; None compares all.

    Raises:
        ConfigError: The file is missing or differs: DVC would track other code than the stages run.
    """
    listed, shown = _listed(project), project.shown(project.own_code)
    for one, model in config.every_model.items():
        if name in (None, one) and listed.get(one) != code_of(model):
            raise ConfigError(f"{shown}: {one}: not as in params.yaml: run `penstock config --write`")
    for one in listed.keys() - config.every_model.keys():
        if name is None:
            raise ConfigError(f"{shown}: {one}: no such model in params.yaml: run `penstock config --write`")


def _listed(project: Project) -> dict[str, str]:
    """Return the path of each model in the file; none if it is missing or unreadable."""
    try:
        blocks = YAML(typ="safe").load(project.own_code.read_text(encoding="utf-8"))
        return {name: entry[KEY] for block in blocks.values() for name, entry in block.items()}
    except (OSError, ValueError, YAMLError, AttributeError, KeyError, TypeError):
        return {}
