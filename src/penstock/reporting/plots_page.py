"""Write the HTML template of `dvc plots`, with Vega included.

DVC's default template loads Vega from a CDN, so it is blank without a network. The scripts come from the package
vl-convert-python, not from this repository. Therefore the template is generated if it is missing.
`plots.html_template` in .dvc/config contains its path.
"""

from __future__ import annotations

from importlib.resources import files

from penstock.core.paths import Project
from penstock.io.files import write_text

VEGA = "[[ vega ]]"


def ensure_plots_page(project: Project) -> None:
    """Write the template if it is missing. This takes a few seconds."""
    if project.plots_page.is_file():
        return
    from vl_convert import javascript_bundle

    template = (files("penstock.reporting") / "plots_page.html").read_text(encoding="utf-8")
    scripts = javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", r"<\/script")
    write_text(project.plots_page, template.replace(VEGA, scripts))
