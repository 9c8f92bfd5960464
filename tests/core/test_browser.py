"""Tests of when a page is opened in a browser: for a user at a terminal with a desktop, or with BROWSER."""

import os
import pty
import sys

import pytest

from penstock.core.browser import has_browser, open_page

VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION")


@pytest.fixture
def without_desktop(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.fixture
def terminal():
    """A terminal as the output; pytest sets its own output after the fixtures."""
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as output:
        yield output
    os.close(reader)


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"])
def test_a_display_or_a_named_browser_is_needed(monkeypatch, without_desktop, terminal, name):
    monkeypatch.setattr(sys, "stdout", terminal)
    assert not has_browser()
    monkeypatch.setenv(name, "x")
    assert has_browser()


def test_a_mac_has_a_desktop_unless_it_is_used_from_elsewhere(monkeypatch, without_desktop, terminal):
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert has_browser()
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
    assert not has_browser()


def test_a_program_that_reads_the_output_gets_no_browser(monkeypatch, without_desktop, tmp_path):
    monkeypatch.setenv("BROWSER", "x")
    with (tmp_path / "output").open("w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert not has_browser()


def test_a_browser_that_cannot_be_started_is_no_failure(monkeypatch, without_desktop):
    monkeypatch.setenv("BROWSER", "/nowhere/browser")
    open_page("http://127.0.0.1:1")
