"""Open our pages in Chromium, and fail on requests to other servers and on console errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 60_000  # for a machine that does much else; nothing waits for so long that is right
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
TOUCHED: dict[str, Any] = {"device_scale_factor": 2, "has_touch": True, "is_mobile": True}
PHONE = TOUCHED | {"viewport": {"width": 390, "height": 844}}
NARROW = TOUCHED | {"viewport": {"width": 320, "height": 640}}
VIEWPORTS: dict[str, dict[str, Any]] = {"desktop": DESKTOP, "phone": PHONE, "narrow phone": NARROW}


@contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, its requests to other servers, and its console messages.

    strangers: addresses that are not the page's own server; complaints: errors and warnings of the console.
    """

    page: Page
    strangers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def watched(browser: Browser, url: str, viewport: str = "desktop", **options: Any) -> Iterator[Watched]:
    """Open the page at `url`, and wait until its requests are done.

    Raises:
        AssertionError: at the end, if it has asked another server, or complained.
    """
    context = browser.new_context(**VIEWPORTS[viewport] | {"reduced_motion": "reduce"} | options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    seen = Watched(page)
    page.on("request", lambda request: seen.strangers.extend(_strangers(request.url, url)))
    page.on("console", lambda said: seen.complaints.extend([said.text] if said.type in ("error", "warning") else []))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    yield seen
    context.close()
    assert not seen.strangers, seen.strangers
    assert not seen.complaints, seen.complaints


def _strangers(asked: str, url: str) -> list[str]:
    return [] if urlsplit(asked).netloc == urlsplit(url).netloc else [asked]


def by_mouse(page: Page, strokes: list[list[tuple[float, float]]]) -> None:
    """Draw on the pad by mouse; points are fractions of its width and height."""
    place = _pad(page)
    for first, *rest in strokes:
        page.mouse.move(*place(first))
        page.mouse.down()
        for point in rest:
            page.mouse.move(*place(point), steps=8)
        page.mouse.up()


def by_finger(page: Page, strokes: list[list[tuple[float, float]]]) -> None:
    """Draw on the pad by touch events."""
    place, session = _pad(page), page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    for stroke in strokes:
        for number, point in enumerate(_densely(stroke)):
            touch("touchMove" if number else "touchStart", place(point))
        touch("touchEnd")


def _pad(page: Page) -> Callable[[tuple[float, float]], tuple[float, float]]:
    pad = page.locator("#draw-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    return lambda share: (box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"])


def _densely(stroke: list[tuple[float, float]], steps: int = 8) -> Iterator[tuple[float, float]]:
    yield stroke[0]
    for (x, y), (next_x, next_y) in pairwise(stroke):
        for step in range(1, steps + 1):
            yield x + (next_x - x) * step / steps, y + (next_y - y) * step / steps
