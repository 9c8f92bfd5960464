"""`penstock config`: what every setting is, and where it comes from."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from penstock.core.credentials import without_credentials

VALUE_WIDTH = 40  # --json prints the whole of a longer value

if TYPE_CHECKING:
    from penstock.config.resolved import Setting


def add_config_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    command = commands.add_parser("config", help="show every setting and where it comes from")
    command.add_argument("model", nargs="?", help="only this model (all settings of params.yaml)")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON: key, value and source of each setting")
    form.add_argument("--schema", action="store_true", help="print the JSON schema of params.yaml")
    form.add_argument(
        "--write", action="store_true", help="write anew what is made of the settings: schema, defaults, code"
    )
    command.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> None:
    from penstock.config import schema

    if chosen.schema:
        print(schema.schema_text(), end="")
    elif chosen.write:
        _write()
    else:
        _print_settings(chosen.model, as_json=chosen.json)


def _write() -> None:
    """Write params.schema.json, defaults.json and pipelines/code.yaml; an installed package has the first two."""
    from penstock.config import defaults, schema
    from penstock.config.loading import load_config
    from penstock.config.own_code import write_own_code
    from penstock.core.paths import Project

    for file, text in ((schema.FILE, schema.schema_text()), (defaults.FILE, defaults.defaults_text())):
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    project = Project.find()
    write_own_code(project, load_config(project.params))


def _print_settings(model: str | None, *, as_json: bool) -> None:
    from penstock.config.loading import load_config
    from penstock.config.resolved import resolved_settings
    from penstock.core.paths import Project

    params = Project.find().params
    config = load_config(params)
    settings = resolved_settings(params, config, model)
    if as_json:
        print(without_credentials(json.dumps([one._asdict() for one in settings], indent=2)))
    else:
        _print_table(settings, f"{config.block_of_model(model)}.{model}." if model else "")


def _print_table(settings: list[Setting], prefix: str) -> None:
    from rich.table import Table

    from penstock.core.console import print_table

    table = Table("setting", "value", "from", box=None, pad_edge=False, header_style="bold", title=prefix.rstrip("."))
    table.title_justify = "left"
    for column in table.columns:
        column.no_wrap = True
    table.columns[1].max_width = VALUE_WIDTH
    for key, value, source in settings:
        text = without_credentials(json.dumps(value, ensure_ascii=False))
        table.add_row(key.removeprefix(prefix), text, source, style="dim" if source.startswith("default") else "")
    print_table(table)
