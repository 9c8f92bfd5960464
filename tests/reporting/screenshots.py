"""Take the README's screenshot of a results page: python -m tests.reporting.screenshots results/index.html"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.serving.ui.browser import chromium
from tests.tracking.view_screenshots import IMAGES, take


def main(page: Path) -> None:
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 1400, "height": 1150})
        tab.goto(page.resolve().as_uri())
        take(tab, IMAGES / "results.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
