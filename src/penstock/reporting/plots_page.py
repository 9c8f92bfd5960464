"""Write the HTML template of `dvc plots`, with Vega included.

DVC's default template loads Vega from a CDN, so it is blank without a network. The scripts come from the package
vl-convert-python, not from this repository. Therefore the template is generated, and written again if plots_page.html
or the version of vl-convert-python changes. `plots.html_template` in .dvc/config contains its path.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from penstock.core.paths import Project
from penstock.io.files import canonical_hash, write_text

HASH, VEGA = "[[ hash ]]", "[[ vega ]]"  # placeholders of plots_page.html
SNIPPET = "window.vegaEmbed = vegaEmbed;"
HEAD = 500  # bytes; the hash is in a meta tag at the start of the file


def ensure_plots_page(project: Project) -> None:
    """Write the template unless it is up to date. Writing takes a few seconds, the check a few milliseconds."""
    template = (files("penstock.reporting") / "plots_page.html").read_text(encoding="utf-8")
    content_hash = canonical_hash([template, SNIPPET, version("vl-convert-python")])
    if _has_hash(project.plots_page, content_hash):
        return
    from vl_convert import javascript_bundle

    scripts = javascript_bundle(SNIPPET).replace("</script", r"<\/script")
    write_text(project.plots_page, template.replace(HASH, content_hash).replace(VEGA, scripts))


def _has_hash(path: Path, content_hash: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return content_hash.encode() in file.read(HEAD)


if __name__ == "__main__":  # `make` runs it once, so that `dvc plots` works before any stage has run
    ensure_plots_page(Project.find())
