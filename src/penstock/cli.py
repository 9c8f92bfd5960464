"""Implement the command `penstock`.

Each subcommand imports the libraries that it needs, so that the others start fast.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from penstock.attestation.command import add_verify_command
from penstock.commands.check import add_check_command
from penstock.commands.compare import add_compare_command
from penstock.commands.repro import add_repro_command
from penstock.commands.results import add_results_command
from penstock.commands.serve import add_serve_command
from penstock.commands.ui import add_ui_command
from penstock.config.command import add_config_command
from penstock.core.distributed import require_launcher
from penstock.core.errors import PenstockError, explain
from penstock.core.signals import Interrupted
from penstock.deployment.command import add_package_command
from penstock.lineage.command import add_lineage_command
from penstock.new.command import add_new_command
from penstock.new.init_command import add_init_command
from penstock.new.update_command import add_update_command
from penstock.prediction.command import add_predict_command
from penstock.registry.command import add_registry_commands
from penstock.reporting.command import add_card_command
from penstock.search.adopt_command import add_adopt_command
from penstock.search.command import add_sweep_command
from penstock.validation.command import add_validate_command

# In the order of `penstock --help`.
ADD_COMMANDS = (
    add_init_command,
    add_check_command,
    add_config_command,
    add_new_command,
    add_update_command,
    add_repro_command,
    add_registry_commands,
    add_results_command,
    add_card_command,
    add_compare_command,
    add_sweep_command,
    add_adopt_command,
    add_ui_command,
    add_predict_command,
    add_serve_command,
    add_lineage_command,
    add_validate_command,
    add_verify_command,
    add_package_command,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command, and exit with the codes of `penstock.core.errors`.

    Args:
        arguments: Command line without the program; None uses `sys.argv`.
    """
    chosen = _parser().parse_args(arguments)
    try:
        require_launcher()
        chosen.run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has ended; Python would flush once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (PenstockError, OSError) as error:
        message, exit_code = explain(error)
        for line in message.splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Interrupted as interruption:
        sys.exit(interruption.exit_code)


class _CommandParser(argparse.ArgumentParser):
    """A parser of one command that takes options between the positional arguments as well.

    argparse ends `input ...` at the first option, so `predict MODEL --option INPUT` had no input.
    """

    _intermixed = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the words after the command, and return those that it does not know as well."""
        has_subcommands = any(action.nargs == argparse.PARSER for action in self._get_positional_actions())
        if has_subcommands or self._intermixed:
            return super().parse_known_args(args, namespace)
        found, unknown = super().parse_known_args(args, namespace)
        if not unknown:
            return found, unknown
        self._intermixed = True  # before Python 3.12.10, the call below comes back to this method
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="penstock", description="From raw data to validated, served ONNX models.")
    parser_class: type[argparse.ArgumentParser] = _CommandParser  # the type that `add_command` takes
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=parser_class)
    for add_command in ADD_COMMANDS:
        add_command(commands)
    return parser


if __name__ == "__main__":
    main()
