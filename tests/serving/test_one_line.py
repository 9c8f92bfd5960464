"""A line of the server's log or of its list of models cannot be broken by the name of a file."""

import logging
import sys

import pytest

from penstock.serving.one_line import OneLineFormatter, one_line


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("iris_mlp", "iris_mlp"),
        ("größe 模型", "größe 模型"),
        ("a\nERROR: b", "a\\nERROR: b"),
        ("a\r\x1b[2J\u2028b", "a\\r\\x1b[2J\\u2028b"),
        ("not UTF-8 \udcff", "not UTF-8 \\udcff"),
    ],
)
def test_names_keep_their_line(name, shown):
    assert one_line(name) == shown
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s is skipped", (name,), None)
    assert OneLineFormatter("%(levelname)s: %(message)s").format(record) == f"WARNING: {shown} is skipped"


def test_a_traceback_keeps_its_lines():
    try:
        int("bad")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "a\nb", (), sys.exc_info())
    lines = OneLineFormatter("%(message)s").format(record).splitlines()
    assert lines[0] == "a\\nb"
    assert lines[1].startswith("Traceback")
    assert lines[-1].startswith("ValueError")
