"""Open a page in the user's browser, if there is one."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import suppress

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def has_browser() -> bool:
    """Return whether a user at a terminal can be shown a page: by a desktop, or by the program that BROWSER names."""
    if not sys.stdout.isatty():
        return False
    has_desktop = sys.platform in ("darwin", "win32") and "SSH_CONNECTION" not in os.environ
    return has_desktop or any(os.environ.get(name) for name in ("BROWSER", *DISPLAYS))


def open_page(url: str) -> None:
    """Open a page in the browser; nothing happens if that fails."""
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(url)
