"""Take the screenshots of docs/experiments.md: python -m tests.tracking.view_screenshots ADDRESS...

The addresses are those that `penstock ui` prints for an experiment.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.serving.ui.browser import PATIENCE_MS, chromium

IMAGES = Path(__file__).parents[2] / "docs/images"
COLOURS = 256
# MLflow opens its assistant over a third of the page at the first visit.
WITHOUT_ASSISTANT = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true")
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false")
"""


@contextmanager
def opened(browser: Browser, url: str, height: int = 840) -> Iterator[Page]:
    """Open a view, and wait until it shows its runs. The page creates only the charts that are in sight."""
    context = browser.new_context(viewport={"width": 1500, "height": height})
    context.add_init_script(WITHOUT_ASSISTANT)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    expect(page.get_by_text(re.compile(r"^\d+ matching runs?$"))).to_be_visible()
    page.get_by_label("Hide banner").click()
    yield page
    context.close()


def take(page: Page, path: Path) -> None:
    """Write a screenshot of the page as a small PNG."""
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.convert("RGB").quantize(COLOURS).save(path, optimize=True)


def main(addresses: list[str]) -> None:
    with chromium() as browser:
        for url in addresses:
            (key,) = re.findall(r"viewStateShareKey=penstock-([\w-]+)", url)
            path = IMAGES / f"mlflow_{key.replace('-', '_')}.png"
            with opened(browser, url) as page:
                page.wait_for_timeout(2000)  # for the charts
                take(page, path)
            print(f"{path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
