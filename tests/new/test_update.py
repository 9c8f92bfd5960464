"""`penstock update` takes the files of a dataset as they are now, and writes nothing if a row is not as declared."""

import functools
import http.server
import threading

import pytest
from PIL import Image

from benchmarks.own_data import EMPTY
from benchmarks.own_sets import write_set
from penstock.cli import main
from penstock.config.loading import load_config
from penstock.core.errors import ConfigError, DataFileError
from penstock.core.paths import Project
from penstock.data.declared_files import changed_files
from penstock.io.files import sha256
from penstock.new.dataset import Request, new_dataset
from penstock.new.update import update_dataset


@pytest.fixture
def project(tmp_path):
    (tmp_path / "params.yaml").write_text(f"# A comment that stays.\n{EMPTY}")
    (tmp_path / "dvc.yaml").touch()
    return Project(tmp_path)


@pytest.fixture
def wine(project):
    """A table whose last row is there once more since it was described."""
    table = write_set("wine", project.root)
    new_dataset(project, Request("wine", str(table)))
    table.write_text(table.read_text() + table.read_text().splitlines()[-1] + "\n")
    return table


def lines_that_differ(before, after):
    return [line.strip() for line in after.splitlines() if line not in before.splitlines()]


def test_an_edited_table_changes_only_its_size_hash_and_rows(project, wine, capsys):
    before, card = project.params.read_text(), project.root / "data/own/wine.md"
    capsys.readouterr()
    update_dataset(project, "wine")
    bytes_, hash_ = wine.stat().st_size, sha256(wine)
    after = project.params.read_text()
    assert lines_that_differ(before, after) == [f"bytes: {bytes_}", f"sha256: {hash_}", "all: 179"]
    assert f"| wine.csv | {bytes_:,} | `{hash_[:16]}` |\n\nRows: 179 all.\n" in card.read_text()
    assert "rows: 178 -> 179\n" in capsys.readouterr().out
    update_dataset(project, "wine")
    assert "wine: its files are those of params.yaml\n" in capsys.readouterr().out


def test_a_row_that_is_not_as_declared_changes_nothing(project, wine):
    card = project.root / "data/own/wine.md"
    before = project.params.read_text(), card.read_text()
    wine.write_text(wine.read_text().replace("class_2\n", "class_3\n"))
    with pytest.raises(DataFileError, match=r"^wine\.csv:\d+: target: 'class_3' is no class"):
        update_dataset(project, "wine")
    assert (project.params.read_text(), card.read_text()) == before


def test_check_names_an_edited_file_until_it_is_taken(project, wine, monkeypatch, capsys):
    monkeypatch.chdir(project.root)
    with pytest.raises(SystemExit):
        main(["check"])
    said = "wine.csv: differs from datasets.wine.files in params.yaml; `penstock update wine` records an edited file"
    assert said in capsys.readouterr().err
    main(["update", "wine"])
    assert not [*changed_files(load_config(project.params).datasets, project.root)]
    wine.unlink()
    assert not [*changed_files(load_config(project.params).datasets, project.root)]
    with pytest.raises(ConfigError, match=r"wine\.csv: no such file"):
        update_dataset(project, "wine")


@pytest.fixture
def photos(project):
    """Two folders of ten images, which are the dataset photos."""
    for label, shade in (("dark", 20), ("light", 220)):
        (project.root / "photos" / label).mkdir(parents=True)
        for place in range(10):
            Image.new("L", (8, 8), shade + place).save(project.root / "photos" / label / f"{place}.png")
    new_dataset(project, Request("photos", str(project.root / "photos")))
    return project.root / "photos"


def test_folders_of_images_are_packed_again(project, photos):
    (photos / "dark/0.png").rename(photos / "light/moved.png")
    (photos / "dark/1.png").unlink()
    update_dataset(project, "photos", str(photos))
    dataset = load_config(project.params).dataset("photos")
    assert dataset.checks.rows == {"all": 19}
    assert dataset.files["photos.zip"].sha256 == sha256(project.root / "data/own/photos.zip")


def test_a_faulty_image_leaves_the_archive_as_it_is(project, photos):
    archive = project.root / "data/own/photos.zip"
    before = archive.read_bytes(), project.params.read_bytes()
    (photos / "dark/1.png").write_bytes(b"no image")
    with pytest.raises(DataFileError, match=r"photos\.zip: dark/1\.png: "):
        update_dataset(project, "photos", str(photos))
    assert (archive.read_bytes(), project.params.read_bytes()) == before
    assert not [*project.scratch.iterdir()]


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_an_archive_that_is_lost_or_damaged_is_packed_again(project, photos, content):
    archive = project.root / "data/own/photos.zip"
    archive.unlink()
    if content:
        archive.write_bytes(content)
    else:
        (archive.parent / "photos.md").unlink()
        archive.parent.rmdir()
    before = project.params.read_text()
    update_dataset(project, "photos", str(photos))
    assert load_config(project.params).dataset("photos").files["photos.zip"].sha256 == sha256(archive)
    assert project.params.read_text() == before


def test_a_folder_in_place_of_a_table_is_refused(project, wine):
    with pytest.raises(ConfigError, match=r"--from: datasets\.wine is not one archive"):
        update_dataset(project, "wine", str(project.root))


def test_a_file_of_a_url_is_downloaded_again(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    table = write_set("wine", folder)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        new_dataset(project, Request("wine", f"http://127.0.0.1:{server.server_port}/wine.csv"))
        table.write_text(table.read_text() + table.read_text().splitlines()[-1] + "\n")
        text = project.params.read_text()
        project.params.write_text(text.replace("urls:\n", "urls:\n    - http://127.0.0.1:1/\n"))
        update_dataset(project, "wine")
        server.shutdown()
    dataset = load_config(project.params).dataset("wine")
    assert (dataset.checks.rows, dataset.files["wine.csv"].sha256) == ({"all": 179}, sha256(table))
