"""The page in a real browser, with trained models."""

import re
import shutil
from contextlib import ExitStack

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect

from penstock.core.paths import Project
from penstock.io.processed_dataset import ProcessedDataset
from tests.helpers.processes import wait_until
from tests.serving.server_process import serving
from tests.serving.ui.browser import VIEWPORTS, by_finger, by_mouse, watched
from tests.serving.ui.inspection import CONTRASTS, FOCUSED, TOO_WIDE
from tests.serving.ui.trained_models import trained_models

SEVEN = [[(0.25, 0.2), (0.75, 0.18), (0.45, 0.85)]]


@pytest.fixture(scope="module")
def site(small_run, config, tmp_path_factory):
    """A server of trained models, and its model folder."""
    folder = tmp_path_factory.mktemp("page") / "models"
    trained_models(small_run, config, folder)
    with serving(folder.parent, str(folder)) as served:
        yield served, folder


@pytest.fixture(scope="module")
def url(site):
    return site[0].url


@pytest.fixture
def opened(browser, url):
    """The page on a desktop."""
    with watched(browser, url) as seen:
        yield seen.page


def said(page, model):
    return page.locator(f'#draw-answers .answer:has(input[value="{model}"]) .said')


@pytest.mark.parametrize(("viewport", "draw"), [("desktop", by_mouse), ("phone", by_finger)])
def test_a_drawn_seven_is_predicted(browser, url, viewport, draw):
    with watched(browser, url, viewport) as seen:
        page = seen.page
        draw(page, SEVEN)
        expect(said(page, "mnist_cnn")).to_contain_text("7")
        expect(page.locator("#draw-spoken")).to_contain_text("mnist_cnn: 7")
        expect(page.locator("#draw-seen")).to_have_attribute("aria-label", re.compile(r"Read as 7 .* by mnist_cnn"))
        page.locator("#draw-clear").click()
        expect(said(page, "mnist_cnn")).not_to_contain_text("%")


def test_a_seven_can_be_drawn_by_keys(opened):
    pad = opened.locator("#draw-pad")
    pad.focus()
    for key in [
        *["ArrowLeft"] * 8,
        "Space",
        *["ArrowRight"] * 16,
        *["ArrowDown", "ArrowLeft", "ArrowDown"] * 9,
        "Space",
    ]:
        pad.press(key)
    expect(opened.locator("#draw-pen")).to_have_text("Pen up")
    expect(said(opened, "mnist_cnn")).to_contain_text("7")
    pad.press("Backspace")
    expect(said(opened, "mnist_cnn")).not_to_contain_text("%")


def test_each_example_digit_is_predicted(opened):
    spoken = opened.locator("#draw-spoken")
    read = []
    for digit in range(10):
        opened.get_by_role("button", name=f"Draw a {digit}").click()
        expect(spoken).to_contain_text("mnist_cnn: ")
        read.append(spoken.inner_text().partition("mnist_cnn: ")[2][0])
        opened.locator("#draw-clear").click()
        expect(spoken).to_have_text("")
    assert "".join(read) == "0123456789"


def test_every_image_classifier_predicts_and_can_be_explained(opened, url):
    names = httpx.get(f"{url}/models").json()
    readers = [name for name in names if re.match("mnist_(cnn|lstm)", name)]
    by_mouse(opened, SEVEN)
    for name in readers:
        expect(said(opened, name)).to_contain_text("%")
    expect(opened.locator("#draw-answers .answer")).to_have_count(len(readers))
    opened.locator(f'#draw-answers .answer:has(input[value="{readers[-1]}"])').click()
    expect(opened.locator("#draw-seen")).to_have_attribute("aria-label", re.compile(f"by {readers[-1]}"))


def test_drawings_are_preprocessed_like_mnist(opened):
    """For any size and place: a box of 20 x 20, the centre of mass in the middle, the same pixels."""
    large = [[(10 * x, 10 * y) for x, y in stroke] for stroke in SEVEN]
    script = """async (strokes) => {
      const {toPixels, centreOfMass} = await import("/ui/js/digits.js"), size = {height: 28, width: 28};
      const pixels = toPixels(strokes, size);
      return [Array.from(pixels), centreOfMass(pixels, size)];
    }"""
    pixels, centre = opened.evaluate(script, SEVEN)
    image = np.array(pixels).reshape(28, 28)
    inked = [np.flatnonzero((image > 127).any(axis=axis)) for axis in (0, 1)]
    assert max(axis[-1] - axis[0] + 1 for axis in inked) in (19, 20)
    assert (centre["x"], centre["y"]) == pytest.approx((14, 14), abs=0.1)
    assert image.max() == 255
    assert np.abs(np.array(opened.evaluate(script, large)[0]) - pixels).max() <= 8


def test_words_of_a_review_have_weights(opened):
    review = "A wonderful film <br /> 🎬 with an awful, awful ending."
    opened.locator("#review-text").fill(review)
    weights = opened.locator("#review-weights li")
    expect(weights.filter(has_text="wonderful")).to_have_count(1)
    expect(weights.filter(has_text="🎬")).to_have_count(0)
    expect(weights.first).to_contain_text(re.compile(r"\W\d\.\d\d (for|against) (negative|positive)"))
    # The colours lie exactly under the words.
    expect(opened.locator("#review-mirror")).to_have_text(re.compile(re.escape(review[:20])))
    marked = opened.locator("#review-mirror mark").all_inner_texts()
    assert marked
    assert set(marked) <= set(re.findall(r"[A-Za-z]+", review))
    opened.locator("#review-text").fill("")
    expect(weights).to_have_count(0)


def test_sliders_have_the_range_of_the_data_and_change_the_label(opened, small_run):
    flowers = ProcessedDataset(Project(small_run.root).processed("iris")).split("train").inputs
    sliders = opened.locator("#flower-sliders input")
    expect(sliders).to_have_count(4)
    for slider, column in zip(sliders.all(), flowers.T, strict=True):
        ends = [float(slider.get_attribute(end)) for end in ("min", "max")]
        assert ends == pytest.approx([column.min(), column.max()], abs=1e-3)
    verdict, bars = opened.locator("#flower-verdict"), opened.locator("#flower-bars")
    for key, flower in (("Home", "setosa"), ("End", "virginica")):
        for slider in sliders.all()[2:]:
            slider.press(key)
        expect(verdict).to_contain_text(flower)
        expect(bars.locator(".wins")).to_contain_text(flower)


def test_the_flower_map_moves_two_sliders(opened):
    area = opened.locator("#flower-map")
    size = area.bounding_box()
    area.click(position={"x": 12, "y": size["height"] - 12})
    expect(opened.locator("#flower-verdict")).to_contain_text("setosa")
    area.click(position={"x": size["width"] - 12, "y": 12})
    expect(opened.locator("#flower-verdict")).to_contain_text("virginica")


def pixels_of(page, selector):
    return page.locator(selector).first.evaluate("canvas => canvas.toDataURL()")


def test_the_latent_map_works_by_keys(opened):
    pad, place = opened.locator("#latent-pad"), opened.locator("#latent-place")
    expect(place).to_contain_text("25.0 % of the 3")
    middle = pixels_of(opened, "#latent-image")
    for key in ("ArrowLeft", "ArrowUp"):
        for _ in range(6):
            pad.press(f"Shift+{key}")
    expect(place).to_have_text("100 % of the 3.")
    corner = pixels_of(opened, "#latent-image")
    assert corner != middle
    bar = opened.locator("#latent-bars input").first
    bar.press("End")
    expect(place).to_contain_text("and your changes")
    opened.get_by_role("button", name="Back to the map").click()
    expect(place).to_have_text("100 % of the 3.")
    assert pixels_of(opened, "#latent-image") == corner


def test_a_seed_determines_the_images(opened):
    seed, read = opened.locator("#wall-seed"), opened.locator("#wall-read")
    expect(opened.locator("#wall-images canvas")).to_have_count(40)
    expect(read).to_contain_text("from seed 1;")
    first = pixels_of(opened, "#wall-images canvas")
    opened.get_by_role("button", name="New noise").click()
    expect(read).not_to_contain_text("from seed 1;")
    assert pixels_of(opened, "#wall-images canvas") != first
    seed.fill("1")
    expect(read).to_contain_text("from seed 1;")
    assert pixels_of(opened, "#wall-images canvas") == first
    expect(opened.locator("#wall-images canvas").first).to_have_attribute("aria-label", re.compile(r"Read as \d"))


def test_every_control_is_reached_by_the_tab_key(opened):
    """Each stop has a name and a visible focus, and none traps the key."""
    opened.evaluate("document.activeElement.blur()")
    stops: list[tuple[str, str, bool]] = []
    while len(stops) < 80:
        opened.keyboard.press("Tab")
        stops.append(tuple(opened.evaluate(FOCUSED)))
        if stops[-1][0] == "BODY":
            break
    names = {name for _, name, _ in stops}
    assert stops[-1][0] == "BODY", "the last stop leads out of the page"
    assert {"draw-pad", "review-text", "flower-0", "latent-pad", "wall-new", "theme"} <= names
    assert [stop for stop in stops[:-1] if not stop[2] or not stop[1]] == []


def test_every_focusable_element_has_a_name(opened):
    tree = opened.context.new_cdp_session(opened).send("Accessibility.getFullAXTree")["nodes"]
    takes = [
        node
        for node in tree
        if any(p["name"] == "focusable" and p["value"]["value"] for p in node.get("properties", []))
    ]
    nameless = [node["role"]["value"] for node in takes if not node.get("name", {}).get("value")]
    assert len(takes) > 40
    assert nameless == []
    images = opened.locator("canvas:not([aria-hidden=true]):not([role=application])").all()
    assert all(image.get_attribute("aria-label") for image in images)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_has_enough_contrast_in_both_themes(browser, url, theme):
    with watched(browser, url, color_scheme=theme) as seen:
        by_mouse(seen.page, SEVEN)
        expect(said(seen.page, "mnist_cnn")).to_contain_text("%")
        contrasts = seen.page.evaluate(CONTRASTS)
        assert len(contrasts) > 100
        assert [found for found in contrasts if found[0] < 4.5] == []


def test_the_theme_button_overrides_the_system_theme(browser, url):
    with watched(browser, url, color_scheme="dark") as seen:
        page, ground = seen.page, "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(ground)
        page.get_by_role("button", name="Dark").click()
        light = page.evaluate(ground)
        assert light != dark
        page.reload()
        assert page.evaluate(ground) == light
        expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("viewport", VIEWPORTS)
def test_no_element_is_wider_than_the_screen(browser, url, viewport):
    with watched(browser, url, viewport) as seen:
        seen.page.get_by_role("button", name="Draw a 7").click()
        expect(said(seen.page, "mnist_cnn")).to_contain_text("%")
        wide = seen.page.evaluate(TOO_WIDE)
        assert wide == []
        assert seen.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_new_model_appears_without_a_restart(browser, site):
    served, folder = site
    shutil.copytree(folder / "mnist_cnn", folder / "another_reader")
    try:
        wait_until(lambda: "another_reader" in httpx.get(f"{served.url}/models").json(), seconds=20)
        with watched(browser, served.url) as seen:
            by_mouse(seen.page, SEVEN)
            expect(said(seen.page, "another_reader")).to_contain_text("7")
    finally:
        shutil.rmtree(folder / "another_reader")


def test_only_panels_of_served_models_are_shown(browser, site, tmp_path):
    shutil.copytree(site[1] / "iris_mlp", tmp_path / "models/iris_mlp")
    with serving(tmp_path, str(tmp_path / "models")) as served, watched(browser, served.url) as seen:
        expect(seen.page.locator("#flower-verdict")).to_contain_text("%")
        shown = seen.page.evaluate("[...document.querySelectorAll('.panel')].filter(p => !p.hidden).map(p => p.id)")
        assert shown == ["flower"]
        expect(seen.page.get_by_role("navigation").get_by_role("link")).to_have_text(["Flower"])


def test_the_page_waits_for_a_stopped_server(browser, site, tmp_path):
    shutil.copytree(site[1] / "mnist_cnn", tmp_path / "models/mnist_cnn")
    options = (tmp_path, str(tmp_path / "models"))
    with ExitStack() as first:
        served = first.enter_context(serving(*options))
        with watched(browser, served.url) as seen:
            notice = seen.page.locator("#gone")
            first.close()
            by_mouse(seen.page, SEVEN)
            expect(notice).to_contain_text("The server does not answer")
            with serving(*options, port=int(served.http.split(":")[1])):
                expect(said(seen.page, "mnist_cnn")).to_contain_text("7")
                expect(notice).to_be_hidden()
            # The browser's own words for what the page has told in its way.
            assert all("ERR_" in complaint for complaint in seen.complaints)
            seen.complaints.clear()


def test_the_content_security_policy_forbids_other_servers(url):
    for path in ("/", "/docs"):
        answer = httpx.get(url + path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert not re.search(r"(src|href)=\"(https?:)?//(?!arxiv)", answer.text)


def test_unchanged_files_are_not_sent_again(url):
    first = httpx.get(f"{url}/ui/js/main.js")
    assert first.headers["content-type"].startswith("text/javascript")
    again = httpx.get(f"{url}/ui/js/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert httpx.get(f"{url}/ui/../app.py").status_code == 404
    assert httpx.get(f"{url}/ui/%2e%2e/app.py").status_code == 404


def test_the_page_asks_once_for_the_token(browser, site, tmp_path):
    shutil.copytree(site[1] / "iris_mlp", tmp_path / "models/iris_mlp")
    options = (tmp_path, str(tmp_path / "models"))
    with serving(*options, PENSTOCK_TOKEN="open sesame") as served, watched(browser, served.url) as seen:
        page = seen.page
        for token in ("wrong", "open sesame"):
            page.get_by_label("This server requires a token").fill(token)
            page.get_by_role("button", name="Use it").click()
        expect(page.locator("#flower-verdict")).to_contain_text("%")
        page.reload()
        expect(page.locator("#flower-verdict")).to_contain_text("%")
        expect(page.locator("#token")).to_be_hidden()
        assert all("401" in complaint for complaint in seen.complaints)
        seen.complaints.clear()


@pytest.mark.parametrize(
    "viewport",
    [pytest.param(name, marks=[pytest.mark.slow] if name != "desktop" else []) for name in VIEWPORTS],
)
def test_the_api_viewer_shows_every_operation(browser, url, viewport):
    told = httpx.get(f"{url}/openapi.json").json()
    operations = [path for path, item in told["paths"].items() for method in item if method in ("get", "post")]
    with watched(browser, f"{url}/docs", viewport) as seen:
        shown = seen.page.locator(".opblock")
        # Swagger UI lets long paths break behind each slash.
        expect(shown.locator(".opblock-summary-path")).to_have_count(len(operations))
        paths = [text.replace("\u200b", "") for text in shown.locator(".opblock-summary-path").all_inner_texts()]
        assert sorted(paths) == sorted(operations)
        for operation in shown.locator(".opblock-summary-control").all():
            operation.click()
        predict = shown.filter(has_text="/predict/").first
        expect(predict).to_contain_text("A wonderful film.")
        expect(predict).to_contain_text("probabilities")
        assert "undefined" not in seen.page.locator("#api").inner_text()
        assert seen.page.evaluate(TOO_WIDE) == []
        assert [found for found in seen.page.evaluate(CONTRASTS) if found[0] < 4.5] == []


@pytest.mark.slow
def test_the_api_viewer_has_enough_contrast_in_the_dark_theme(browser, url):
    with watched(browser, f"{url}/docs", color_scheme="dark") as seen:
        expect(seen.page.locator(".opblock").first).to_be_visible()
        for operation in seen.page.locator(".opblock-summary-control").all():
            operation.click()
        assert [found for found in seen.page.evaluate(CONTRASTS) if found[0] < 4.5] == []


def test_the_api_viewer_sends_the_token_of_the_page(browser, site, tmp_path):
    shutil.copytree(site[1] / "iris_mlp", tmp_path / "models/iris_mlp")
    options = (tmp_path, str(tmp_path / "models"))
    with serving(*options, PENSTOCK_TOKEN="open sesame") as served, watched(browser, served.url) as seen:
        page = seen.page
        page.get_by_label("This server requires a token").fill("open sesame")
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#flower-verdict")).to_contain_text("%")
        page.goto(f"{served.url}/docs")
        models = page.locator(".opblock").filter(has_text="List the served models")
        models.locator(".opblock-summary-control").click()
        models.get_by_role("button", name="Try it out").click()
        models.get_by_role("button", name="Execute").click()
        expect(models.locator(".live-responses-table")).to_contain_text("iris_mlp")
        seen.complaints.clear()
