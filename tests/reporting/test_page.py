"""results/index.html in a real browser: offline, readable in both color schemes, and as wide as a phone."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from penstock.io.files import read_json, write_json
from tests.helpers.reported_project import add_sections, gray_images, page_of, reported_project, results_of
from tests.serving.ui.browser import PATIENCE_MS, PHONE, chromium

READABLE = 4.5  # WCAG 2, level AA, for text of normal size
# The lowest contrast of any text with its background, which may be translucent. Colors are drawn to read their bytes.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const painted = (colors) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (bytes) => {
    const [r, g, b] = bytes.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, title")) continue;
    const behind = [];
    for (let one = element; one; one = one.parentElement) behind.unshift(getComputedStyle(one).backgroundColor);
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [dark, light] = [painted([...behind, ink]), painted(behind)].map(luminance).sort((a, b) => a - b);
    found.push([(light + .05) / (dark + .05), walker.currentNode.data.trim()]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
}"""
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
BIN = {"from": 0.9, "to": 1.0, "rows": 90, "confidence": 0.95, "accuracy": 0.85}
FAILURE = {"row": 4, "actual": "7", "before": "7", "after": "1", "probability_before": 0.9, "probability_after": 0.2}
SECTIONS = {
    "reliability": [{**BIN, "rows": 10, "confidence": 0.4, "accuracy": 0.5}, BIN],
    "slices": {"length": [{"slice": "4 to 126 words", "rows": 60, "accuracy": 0.81, "loss": 0.4}]},
    "worst_errors": [{"row": 12, "actual": "4", "predicted": "9", "probability": 0.987}],
    "behaviour": {
        "small_shift": {
            "kind": "shift",
            "expectation": "same label",
            "rows": 100,
            "passed": 0.93,
            "failed_rows": 7,
            "accuracy": 0.92,
            "unperturbed_accuracy": 0.99,
            "examples": [FAILURE],
        }
    },
}
REVIEW = {
    "row": 3,
    "actual": "positive",
    "predicted": "negative",
    "probability": 0.99,
    "text": "Bad <b>luck</b><br />x",
}


@pytest.fixture(scope="module")
def project(repository, tmp_path_factory):
    """Reports of which two models have what newer versions measure, and the others do not."""
    project = reported_project(repository, tmp_path_factory.mktemp("reported"))
    images = gray_images(1)
    add_sections(
        project,
        "mnist_cnn",
        SECTIONS,
        images=images,
        predicted=np.array([9]),
        behaviour_small_shift=gray_images(1, seed=1),
    )
    add_sections(project, "imdb_lstm", {"worst_errors": [REVIEW]})
    add_sections(project, "mnist_gan", {}, images=images, samples=gray_images(24).reshape(2, 12, 28, 28))
    faces = gray_images(2)
    add_sections(project, "mnist_autoencoder", {}, images=faces, reconstructions=np.zeros((2, 28, 28), np.float32))
    return project


@pytest.fixture(scope="module")
def page(project):
    return page_of(project)


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(browser, page):
    """A function that opens the page offline; at the end, it has asked for nothing else and reported no error."""
    requests, complaints, contexts = [], [], []

    def open_tab(**options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        context.set_offline(True)
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda said: complaints.append(said.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(page.as_uri())
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert {url for url in requests if not url.startswith("data:")} == {page.as_uri()}
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable_in_both_color_schemes(tab, scheme):
    opened = tab(color_scheme=scheme)
    opened.evaluate(OPEN_ALL)
    contrast, text = opened.evaluate(CONTRAST)
    assert contrast >= READABLE, text
    brightness = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (brightness == "rgb(255, 255, 255)") == (scheme == "light")


LONG_NAMES = (
    "document.querySelectorAll('h3, tbody th[scope=row], summary').forEach(one => one.append('_name'.repeat(20)))"
)


def test_a_phone_shows_all_of_it_without_scrolling_sideways(tab):
    opened = tab(**PHONE)
    opened.evaluate(OPEN_ALL)
    assert opened.evaluate("document.documentElement.scrollWidth") == 390
    opened.evaluate(LONG_NAMES)
    assert opened.evaluate("document.documentElement.scrollWidth") == 390


def test_a_link_of_the_overview_opens_the_section_of_its_model(tab, project):
    opened = tab()
    section = opened.locator("details#imdb_lstm")
    expect(section).not_to_have_attribute("open", "")
    opened.locator("table a[href='#imdb_lstm']").first.click()
    expect(section).to_have_attribute("open", "")
    opened.get_by_role("button", name="Expand all").click()
    assert opened.locator("details.model[open]").count() == len(results_of(project))


def test_every_image_has_a_description_and_every_chart_a_label(tab):
    opened = tab()
    opened.evaluate(OPEN_ALL)
    assert all(image.get_attribute("alt") for image in opened.locator("img").all())
    charts = opened.locator("svg[role=img]")
    assert charts.count() > 30
    assert opened.locator("svg[role=img]:not([aria-label])").count() == 0
    assert opened.locator("th:not([scope])").count() == 0


def test_sections_of_newer_reports_are_shown(tab):
    opened = tab()
    section = opened.locator("#mnist_cnn")
    section.evaluate("one => one.querySelectorAll('details').forEach(inner => inner.open = true) || (one.open = true)")
    behaviour = section.get_by_role("region", name="behaviour tests").locator("tbody tr")
    assert behaviour.all_inner_texts() == ["small shift\tsame label\t100\t93.0 %\t\tno gate\t0.9900\t0.9200"]
    slices = section.get_by_role("region", name="slices by length").locator("tbody tr")
    assert slices.all_inner_texts() == ["4 to 126 words\t60\t0.8100\t0.4000"]
    expect(section.get_by_label("largest gap: confidence 0.400, accuracy 0.500")).to_be_visible()
    alts = [image.get_attribute("alt") for image in section.locator("img").all()]
    assert alts == ["Test row 4: 7 → 1, 0.900 → 0.200", "Test row 12: 4 → 9, 0.987"]
    assert opened.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_texts_of_reviews_are_escaped(tab):
    opened = tab()
    opened.evaluate(OPEN_ALL)
    errors = opened.locator("#imdb_lstm").get_by_role("region", name="worst errors")
    assert errors.locator("td.text").inner_text() == "Bad <b>luck</b> x"


def test_images_are_inside_the_page_as_they_are(page):
    (address,) = re.findall(r'src="data:image/png;base64,([^"]+)" alt="Test row 12', page.read_text())
    with Image.open(io.BytesIO(base64.b64decode(address))) as image:
        assert np.array_equal(255 - np.asarray(image), gray_images(1)[0])


def test_a_clone_without_model_files_shows_stored_figures_and_says_so(tab, project):
    opened = tab()
    rows = opened.get_by_role("region", name="Tuned against documented models").locator("tbody tr").all_inner_texts()
    scores = {one.name: one.score for one in results_of(project)}
    change = scores["mnist_cnn_tuned"] - scores["mnist_cnn"]
    assert any(
        row.startswith("mnist_cnn_tuned\tmnist_cnn\t") and f"{change:+.4f}" in row and row.endswith("not tested")
        for row in rows
    )
    note = opened.get_by_text(re.compile(r"^Not tested: "))  # one for all of them
    expect(note).to_be_visible()
    expect(note).to_have_text(re.compile(r"mnist_cnn_tuned, mnist_cnn_large.*is not here"))


def test_a_missed_gate_is_marked(project, tmp_path):
    copy = reported_project(project.root, tmp_path / "copy")
    report = copy.model("iris_mlp", "models").validation_report
    measured = read_json(report)
    write_json(report, {**measured, "test": {**measured["test"], "accuracy": 0.9}})
    assert re.search(r">accuracy</th><td>0.9</td><td>≥ 0.93</td><td>.*✗ failed<", page_of(copy).read_text())


def test_data_checks_show_what_was_found(project, tmp_path):
    copy = reported_project(project.root, tmp_path / "copy")
    data = read_json(copy.data_report("iris"))
    data["duplicates"]["leaked"] = 2
    write_json(copy.data_report("iris"), data)
    text = page_of(copy).read_text()
    assert re.search(r"rows that are also in test</td>.*at most 0</td>.*>2</td>.*failed", text)
    assert "0.1 to 7.9" in text
