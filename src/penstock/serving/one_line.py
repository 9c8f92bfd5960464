"""Log messages of one line each, whatever names of files they contain."""

from __future__ import annotations

import logging
import sys


def log_to_stderr() -> None:
    """Write the warnings and errors of all loggers to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler])


class OneLineFormatter(logging.Formatter):
    """Format a message as one line; a traceback follows it on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's own name)
        """Format the message, without the traceback."""
        return one_line(super().formatMessage(record))


def one_line(text: str) -> str:
    r"""Escape what cannot be printed, such as a line break, as Python does: `\n`."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]
