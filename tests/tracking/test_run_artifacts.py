"""Tests of the images and tables of a run, which a stock client and MLflow's page read."""

import io
import re

import mlflow
import pytest
from PIL import Image

from tests.tracking.tracked_runs import TrackedRuns, png


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return TrackedRuns(tmp_path_factory.mktemp("project"))


def images(runs, run_id):
    return sorted(file.path for file in runs.client.list_artifacts(run_id, "images"))


def load_table(runs, run_id, name):
    mlflow.set_tracking_uri(runs.uri)  # the client searches runs there
    return runs.client.load_table(runs.find_experiment().experiment_id, name, run_ids=[run_id])


def pattern(path):
    """Return a path without the parts that differ between two images of the same key and step."""
    return re.sub(r"[0-9a-f-]{36}", "UUID", re.sub(r"timestamp\+\d+", "timestamp+TIME", path))


def test_images_are_those_of_a_stock_client(runs):
    ours = runs.log("images", lambda run: run.log_image("samples", png(0), step=3))
    with Image.open(io.BytesIO(png(0))) as image:
        stock = runs.client.create_run(runs.find_experiment().experiment_id).info.run_id
        runs.client.log_image(stock, image, key="samples", step=3)
    assert [*map(pattern, images(runs, ours))] == [*map(pattern, images(runs, stock))]
    tag = "mlflow.loggedImages"
    assert runs.client.get_run(ours).data.tags[tag] == runs.client.get_run(stock).data.tags[tag]


def test_an_image_is_written_once_and_a_new_one_at_the_same_step_later(runs):
    for colour in (0, 0, 255):
        run_id = runs.log("again", lambda run, colour=colour: run.log_image("samples", png(colour), step=3), uploads=2)
    names = [path for path in images(runs, run_id) if path.endswith(".png")]
    assert len(names) == 2
    newest = runs.client.download_artifacts(run_id, names[-1])
    with Image.open(newest) as image:
        assert image.getpixel((0, 0)) == 255


def test_an_image_of_the_finished_model_has_the_step_at_which_runs_are_compared(runs):
    run_id = runs.log("best", lambda run: run.log_image("confusion_matrix", png(0)))
    assert all("confusion_matrix+step+0+" in path for path in images(runs, run_id))
    assert len(images(runs, run_id)) == 2


def test_a_table_is_read_by_a_stock_client_and_is_not_appended_to(runs):
    rows = [
        {"actual": "cat", "predicted dog": 3, "text": 'a "word"'},
        {"actual": "dog", "predicted dog": 5, "text": ""},
    ]
    run_id = runs.log("table", lambda run: run.log_table("confusion_matrix", rows), uploads=2)
    assert load_table(runs, run_id, "confusion_matrix.json").to_dict("records") == rows
    assert runs.client.get_run(run_id).data.tags["mlflow.loggedArtifacts"] == (
        '[{"path": "confusion_matrix.json", "type": "table"}]'
    )


def test_a_table_has_images_where_mlflow_looks_for_them(runs):
    run_id = runs.log("pictures", lambda run: run.log_table("worst_errors", [{"row": 1, "image": png(200)}]))
    (cell,) = load_table(runs, run_id, "worst_errors.json")["image"]
    assert cell["type"] == "image"
    for name in ("filepath", "compressed_filepath"):
        with Image.open(runs.client.download_artifacts(run_id, cell[name])) as image:
            assert image.convert("L").getpixel((0, 0)) == pytest.approx(200, abs=3)
