"""The form that the page makes for any model, in a real browser."""

import re

import numpy as np
import onnx
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.serving import table_models, third_party_models, tiny_models
from tests.serving.server_process import serving
from tests.serving.ui.browser import watched
from tests.serving.ui.inspection import CONTRASTS, TOO_WIDE

MODELS = (
    table_models.penguins,
    table_models.body_mass,
    table_models.two_targets,
    table_models.topics,
    table_models.switches,
    third_party_models.sum_of_two,
    third_party_models.without_inputs,
    tiny_models.sides,
    tiny_models.echo,
)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for make in MODELS:
        onnx.save(make(), folder / f"{make.__name__}.onnx")
    onnx.save(table_models.colours(tmp_path_factory.mktemp("torch")), folder / "colours.onnx")
    with serving(folder, str(folder), "--allow-unvalidated") as running:
        yield running.url


@pytest.fixture
def opened(browser, url):
    """Open the form of a model."""
    with watched(browser, url) as seen:

        def choose(model):
            seen.page.get_by_role("button", name=model, exact=True).click()
            return seen.page

        yield choose


@pytest.fixture
def red(tmp_path):
    """An image of a kind that the server itself does not take."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[..., 0] = 200
    Image.fromarray(pixels).save(tmp_path / "red.webp", lossless=True)
    return tmp_path / "red.webp"


def result(page):
    return page.locator("#form-result")


def test_numbers_and_choices_of_a_table(opened):
    page = opened("penguins")
    expect(page.locator("#form-note")).to_contain_text("penguins, ")
    page.get_by_label("bill_length mm").fill("39.1")
    page.get_by_label("body_mass g").fill("")
    page.get_by_label("island").select_option("Torgersen")
    expect(page.get_by_label("sex").locator("option")).to_have_text(["female", "male", "(missing)"])
    page.get_by_label("sex").select_option("(missing)")
    expect(result(page)).to_contain_text("Adelie, 9")
    expect(result(page).locator(".wins")).to_contain_text("Adelie")
    expect(page.locator(".told.outside")).to_have_count(0)
    page.get_by_label("bill_length mm").fill("90")
    expect(page.locator(".told.outside")).to_have_text("length of the bill; 32.1 to 59.6 in the training data")
    page.get_by_label("bill_length mm").fill("")
    expect(page.locator("#form-note")).to_have_text("Fill in: bill_length.")
    page.get_by_role("button", name="Reset").click()
    expect(result(page)).to_contain_text("%")


def test_a_table_without_metadata_has_texts_for_choices(opened):
    page = opened("body_mass")
    expect(page.locator("#form-note")).to_have_text("Fill in: bill_length, island.")
    page.get_by_label("bill_length").fill("44")
    page.get_by_label("island").fill("Dream")
    expect(result(page)).to_have_text("variable4400")


def test_numbers_have_their_names_and_units(opened):
    page = opened("two_targets")
    for name, value in (("age", 1), ("bmi", 2), ("pressure", 3)):
        page.get_by_label(name, exact=True).fill(str(value))
    expect(result(page).locator("h3")).to_have_text(["height", "width"])
    expect(result(page).locator(".number")).to_have_text(["6 cm", "1"])


def test_several_labels_are_listed(opened):
    page = opened("topics")
    page.get_by_label("feature 1").fill("1")
    page.get_by_label("feature 2").fill("-1")
    expect(result(page).locator(".labels li")).to_have_text(["sport"])
    page.get_by_label("feature 1").fill("-1")
    expect(result(page)).to_contain_text("None of the labels")


def test_booleans_dates_and_texts(opened):
    page = opened("switches")
    page.get_by_label("on", exact=True).check()
    page.get_by_label("count").fill("3")
    expect(page.get_by_label("since")).to_have_value("2026-11-29")
    page.get_by_label("note").fill("two\nlines")
    expect(result(page).locator(".big")).to_have_text(["true", "2026-11-29", "two\nlines"])
    expect(result(page).locator(".number")).to_have_text("3")
    page = opened("echo")
    page.locator("#form-fields textarea").fill("a text")
    expect(result(page)).to_contain_text("a text")


def test_an_image_is_chosen_or_dropped(opened, red):
    page = opened("colours")
    expect(page.locator("#form-note")).to_have_text("Fill in: image.")
    page.get_by_label("image", exact=True).set_input_files(red)
    expect(result(page)).to_contain_text("red, 100 %")
    expect(page.locator("#form-fields .told")).to_have_text(re.compile(r"red\.webp, 30 . 20 pixels"))
    page.get_by_role("button", name="Reset").click()
    expect(result(page)).to_have_text("")
    page.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(9, 9), context = canvas.getContext("2d"), data = new DataTransfer();
          context.fillStyle = "blue";
          context.fillRect(0, 0, 9, 9);
          data.items.add(new File([await canvas.convertToBlob()], "blue.png", {type: "image/png"}));
          document.querySelector(".drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}));
        }"""
    )
    expect(result(page)).to_contain_text("blue, 100 %")


def test_a_grey_image_may_have_a_light_background(opened, tmp_path):
    pixels = np.zeros((28, 28), np.uint8)
    pixels[:, :14] = 255
    Image.fromarray(pixels).save(tmp_path / "left.png")
    page = opened("sides")
    page.get_by_label("pixels", exact=True).set_input_files(tmp_path / "left.png")
    expect(result(page)).to_contain_text("left, ")
    page.get_by_label("Dark on a light background").check()
    expect(result(page)).to_contain_text("right, ")


def test_a_file_that_is_no_image_is_named(opened, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    page = opened("colours")
    page.get_by_label("image", exact=True).set_input_files(tmp_path / "notes.txt")
    expect(page.locator("#form-fields .told")).to_contain_text("notes.txt is not an image")


def test_models_of_other_exporters_have_a_form_as_well(opened):
    page = opened("without_inputs")
    expect(result(page).locator(".number")).to_have_text(["1", "2"])
    expect(page.locator("#served")).to_contain_text("This server has 10 models. Not validated: body_mass, colours,")
    page = opened("sum_of_two")
    page.get_by_label("a", exact=True).fill("[1, 2]")
    page.get_by_label("b", exact=True).fill("[10, 20]")
    expect(result(page).locator(".number")).to_have_text(["11", "22"])
    page.get_by_label("b", exact=True).fill("[10,")
    expect(page.locator("#form-note")).to_have_text("Fill in: b.")


def test_an_error_of_the_server_is_shown(browser, url):
    with watched(browser, url) as seen:
        seen.page.get_by_role("button", name="sum_of_two").click()
        seen.page.get_by_label("b", exact=True).fill("[10]")
        says = "The server says: b: expected FP32 of shape [-1, 2], not [1, 1]"
        expect(seen.page.locator("#gone")).to_contain_text(says)
        seen.page.get_by_label("b", exact=True).fill("[10, 20]")
        expect(seen.page.locator("#gone")).to_be_hidden()
        assert all("400" in complaint for complaint in seen.complaints)
        seen.complaints.clear()


@pytest.mark.parametrize(("viewport", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_every_form_fits_the_screen_and_has_enough_contrast(browser, url, viewport, theme):
    with watched(browser, url, viewport, color_scheme=theme) as seen:
        for button in seen.page.locator("#form-models button").all():
            button.click()
            assert seen.page.evaluate(TOO_WIDE) == []
            assert [found for found in seen.page.evaluate(CONTRASTS) if found[0] < 4.5] == []
