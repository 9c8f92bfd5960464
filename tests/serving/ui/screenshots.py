"""Take the README's screenshots of a running server: python -m tests.serving.ui.screenshots http://127.0.0.1:8080"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect
from scipy.interpolate import CubicSpline

from tests.serving.ui.browser import by_mouse, chromium, watched

IMAGES = Path(__file__).parents[3] / "docs/images"
# Neither a three nor an eight: models differ, and the place of the doubt shows.
DOUBTFUL = [
    (0.34, 0.22),
    (0.52, 0.14),
    (0.67, 0.26),
    (0.52, 0.44),
    (0.7, 0.65),
    (0.52, 0.85),
    (0.32, 0.75),
    (0.5, 0.46),
]
MOMENTS = 60
ALL_EXPLAINED_MS = 3000
COLOURS = 256
GAP = 24  # pixels between a picture's edge and what is in it


def main(url: str) -> None:
    with chromium() as browser:
        with watched(browser, url, viewport="desktop") as seen:
            _draw(seen.page)
            _save("page.png", _of_panels(seen.page, "draw", "review"))
        with watched(browser, url, viewport="desktop", color_scheme="dark") as seen:
            expect(seen.page.locator("#wall-read")).to_contain_text("seed 1")
            _save("page_dark.png", _of_panels(seen.page, "flower", "wall"))
        with watched(browser, url, viewport="phone", color_scheme="dark") as seen:
            _draw(seen.page)
            seen.page.locator("#draw").evaluate("panel => panel.scrollIntoView()")
            _save("page_phone.png", seen.page.screenshot())


def _draw(page: Page) -> None:
    moments = np.linspace(0, len(DOUBTFUL) - 1, MOMENTS)
    curve = CubicSpline(np.arange(len(DOUBTFUL)), DOUBTFUL)(moments)
    by_mouse(page, [[(float(x), float(y)) for x, y in curve]])
    expect(page.locator("#draw-spoken")).to_contain_text(":")
    expect(page.locator("#draw-seen")).to_have_attribute("aria-label", re.compile("Read as"))
    page.mouse.move(0, 0)
    page.wait_for_timeout(ALL_EXPLAINED_MS)


def _of_panels(page: Page, first: str, last: str) -> bytes:
    """Take a screenshot from the first to the last panel, with the page's margins."""
    page.evaluate("scrollTo(0, 0)")
    upper, lower = (page.locator(f"#{name}").bounding_box() for name in (first, last))
    assert upper and lower
    top, bottom = upper["y"], lower["y"] + lower["height"]
    left, width = upper["x"] - GAP, upper["width"] + 2 * GAP
    return page.screenshot(full_page=True, clip={"x": left, "y": top, "width": width, "height": bottom - top})


def _save(name: str, picture: bytes) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLOURS).save(IMAGES / name, optimize=True)
    print(f"{name}: {(IMAGES / name).stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(sys.argv[1])
