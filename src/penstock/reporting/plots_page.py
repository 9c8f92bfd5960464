"""Write the HTML page that `dvc plots` fills in, with Vega inside.

DVC's own page loads Vega from a CDN, so it is blank without a network. The scripts come from the package
vl-convert-python and not from this repository, so the page is written where it is missing (`plots.html_template` in
.dvc/config names it).
"""

from __future__ import annotations

from importlib.resources import files

from penstock.core.paths import Project
from penstock.io.files import write_text

VEGA = "[[ vega ]]"


def ensure_plots_page(project: Project) -> None:
    """Write the page if it is not there; this takes a few seconds."""
    if project.plots_page.is_file():
        return
    from vl_convert import javascript_bundle

    template = (files("penstock.reporting") / "plots_page.html").read_text(encoding="utf-8")
    scripts = javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", r"<\/script")
    write_text(project.plots_page, template.replace(VEGA, scripts))
