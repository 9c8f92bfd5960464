"""A file appears under its name only when its bytes are right, whatever the servers do."""

import gzip
import hashlib
import os
import re
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config.data import DownloadConfig, FileConfig
from penstock.core.errors import DownloadError
from penstock.data.download import download
from tests.data.faulty_server import cut, ignoring_ranges, ranging, serving, stalled, status, whole
from tests.helpers.processes import wait_until

CONTENT = bytes(range(256)) * 1024
NAME = "digits.gz"
PAUSE = 0.01


@pytest.fixture
def fetch(config, tmp_path):
    """Downloads a dataset of one file from the given official addresses and mirrors; returns the fetched file."""
    template = config.dataset("mnist")

    def fetch(*official, mirrors=(), attempts=3, timeout=2, content=CONTENT):
        file = FileConfig(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        dataset = template.model_copy(update={"urls": official, "files": {NAME: file}})
        settings = DownloadConfig(mirrors=mirrors, attempts=attempts, pause_seconds=PAUSE, timeout_seconds=timeout)
        folders = {"folder": tmp_path / "raw", "scratch": tmp_path / "scratch", "root": tmp_path}
        return list(download("mnist", dataset, settings, **folders))

    return fetch


@pytest.fixture
def placed(tmp_path):
    """What lies in the dataset's folder and beside it, by name."""
    return lambda: {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_file_comes_from_the_first_official_address(fetch, placed):
    with serving(whole(CONTENT)) as first, serving(whole(CONTENT)) as second:
        (fetched,) = fetch(first.address, second.address)
    assert fetched.source == first.address + NAME
    assert second.requests == []
    assert placed() == {NAME: CONTENT}


def test_a_directory_mirror_goes_before_the_official_addresses(fetch, placed, tmp_path):
    (tmp_path / "mirror/mnist").mkdir(parents=True)
    (tmp_path / "mirror/mnist" / NAME).write_bytes(CONTENT)
    with serving(whole(CONTENT)) as official:
        fetch(official.address, mirrors=("not/there", "mirror"))
    assert official.requests == []
    assert (tmp_path / "raw" / NAME).read_bytes() == CONTENT


def test_a_mirror_may_be_a_url(fetch):
    with serving(whole(CONTENT)) as mirror, serving(status(404)) as official:
        (fetched,) = fetch(official.address, mirrors=(mirror.address,))
    assert fetched.source == f"{mirror.address}mnist/{NAME}"


def test_a_transfer_that_broke_off_goes_on_where_it_stopped(fetch, placed):
    with serving(cut(CONTENT, after=100_000), whole(CONTENT)) as server:
        fetch(server.address)
    (_, first), (_, second) = server.requests
    assert first is None
    assert second is not None
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 100_000
    assert placed() == {NAME: CONTENT}


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(fetch, placed):
    with serving(cut(CONTENT, after=100_000), ignoring_ranges(CONTENT)) as server:
        fetch(server.address)
    assert placed() == {NAME: CONTENT}


def test_a_stalled_transfer_times_out_and_goes_on(fetch, placed):
    with serving(stalled(CONTENT, after=70_000, seconds=8), whole(CONTENT)) as server:
        fetch(server.address)
    assert len(server.requests) >= 2
    assert placed() == {NAME: CONTENT}


def test_a_passing_error_of_the_server_is_tried_again(fetch, placed):
    with serving(status(503), status(429), whole(CONTENT)) as server:
        fetch(server.address)
    assert placed() == {NAME: CONTENT}


def test_a_range_that_cannot_be_satisfied_starts_over(fetch, placed):
    with serving(cut(CONTENT, after=100_000), status(416), whole(CONTENT)) as server:
        fetch(server.address)
    assert server.requests[-1][1] is None
    assert placed() == {NAME: CONTENT}


def test_a_file_that_was_complete_when_the_process_died_is_not_loaded_again(fetch, placed, tmp_path):
    with serving(status(404)) as server:
        source = server.address + NAME
        name = f"{hashlib.sha256(CONTENT).hexdigest()}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
        (tmp_path / "scratch").mkdir()
        (tmp_path / "scratch" / name).write_bytes(CONTENT)
        fetch(server.address)
        assert server.requests == []
    assert placed() == {NAME: CONTENT}


@pytest.mark.parametrize("said", [None, "bytes 99999999999999999999-", "bytes ²-", "bytes 0-", "pages 100000-"])
def test_a_range_that_was_not_asked_for_is_refused(fetch, placed, capsys, said):
    with serving(cut(CONTENT, after=100_000), ranging(CONTENT, said)) as first, serving(whole(CONTENT)) as second:
        fetch(first.address, second.address)
    assert "says it sends" in capsys.readouterr().err
    assert placed() == {NAME: CONTENT}


def test_a_server_that_calls_gzip_an_encoding_is_read_as_it_sends(fetch, placed):
    compressed = gzip.compress(CONTENT)
    with serving(ignoring_ranges(compressed, encoding="gzip")) as server:
        fetch(server.address, content=compressed)
    assert placed() == {NAME: compressed}


def test_an_address_that_is_none_is_a_reason_among_others(fetch, placed):
    with serving(whole(CONTENT)) as server:
        fetch(f"http://{'a' * 70}.example/", server.address.rstrip("/"))
    assert placed() == {NAME: CONTENT}


def test_wrong_bytes_are_said_and_the_next_source_is_asked(fetch, placed, capsys):
    wrong = CONTENT[:-1] + b"x"
    with serving(whole(wrong)) as first, serving(whole(CONTENT)) as second:
        (fetched,) = fetch(first.address, second.address)
    assert fetched.source == second.address + NAME
    assert "wrong bytes" in capsys.readouterr().err
    assert placed() == {NAME: CONTENT}


def test_a_source_that_sends_too_much_is_left(fetch, placed):
    with serving(ignoring_ranges(CONTENT * 3)) as first, serving(whole(CONTENT)) as second:
        fetch(first.address, second.address)
    assert placed() == {NAME: CONTENT}


def test_nobody_goes_on_from_anothers_wrong_bytes(fetch, placed):
    wrong = b"x" * len(CONTENT)
    with serving(cut(wrong, after=100_000)) as first, serving(whole(CONTENT)) as second:
        fetch(first.address, second.address)
    assert second.requests == [(f"/{NAME}", None)]
    assert placed() == {NAME: CONTENT}


def test_when_all_fail_each_source_is_listed_and_nothing_is_left(fetch, placed):
    closed = "http://127.0.0.1:9/"
    with (
        serving(status(404)) as missing,
        serving(whole(b"?" * len(CONTENT))) as wrong,
        serving(cut(CONTENT, 9)) as short,
    ):
        with pytest.raises(DownloadError) as raised:
            fetch(missing.address, wrong.address, short.address, closed)
        message = str(raised.value)
        assert f"{missing.address}{NAME}: 404 Not Found" in message
        assert f"{wrong.address}{NAME}: wrong bytes" in message
        assert f"{short.address}{NAME}: " in message
        assert "3 attempts" in message
        assert f"{closed}{NAME}: " in message
    assert placed() == {}


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, len(CONTENT) - 1), max_size=3))
def test_however_often_it_breaks_off_the_bytes_are_right(config, tmp_path_factory, cuts):
    folder = tmp_path_factory.mktemp("download")
    file = FileConfig(bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    with serving(*(cut(CONTENT, after) for after in cuts), whole(CONTENT)) as server:
        update = {"urls": (server.address,), "files": {NAME: file}}
        dataset = config.dataset("mnist").model_copy(update=update)
        settings = DownloadConfig(mirrors=(), attempts=4, pause_seconds=PAUSE, timeout_seconds=1)
        folders = {"folder": folder / "raw", "scratch": folder / "scratch", "root": folder}
        list(download("mnist", dataset, settings, **folders))
    assert (folder / "raw" / NAME).read_bytes() == CONTENT


def test_a_killed_download_goes_on_in_the_next_process(linked_project):
    """A real second process, killed while a real server stalls."""
    content = CONTENT * 4
    file = FileConfig(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    params = linked_project / "params.yaml"
    text = params.read_text()
    with serving(stalled(content, after=500_000, seconds=20), whole(content)) as server:
        original = "https://archive.ics.uci.edu/ml/machine-learning-databases/iris/"
        assert original in text
        text = text.replace(original, server.address).replace("[../shared/datasets]", "[]")
        text = text.replace("bytes: 4551", f"bytes: {file.bytes}").replace(
            "0fed2a99db77ec533a62dc66894d3ec6df3b58b6a8f3cf4a6b47e4086b7f97dc", file.sha256
        )
        params.write_text(text)
        command = [sys.executable, "pipelines/download.py", "iris"]
        process = subprocess.Popen(command, cwd=linked_project)
        scratch = linked_project / ".penstock/downloads"
        wait_until(lambda: scratch.is_dir() and any(path.stat().st_size for path in scratch.iterdir()))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (linked_project / "data/raw/iris/bezdekIris.data").exists()
        subprocess.run(command, cwd=linked_project, check=True, capture_output=True)
    assert (linked_project / "data/raw/iris/bezdekIris.data").read_bytes() == content
    assert server.requests[1][1] is not None, "the second process asked for the rest only"


def test_the_command_line_says_in_one_line_which_sources_failed(linked_project):
    params = linked_project / "params.yaml"
    text = params.read_text().replace("[../shared/datasets]", "[]")
    text = text.replace("attempts: 3 ", "attempts: 1 ")
    params.write_text(re.sub(r"https://[^\s\]\"]+", "http://127.0.0.1:9/", text))
    command = [sys.executable, "pipelines/download.py", "mnist"]
    done = subprocess.run(command, cwd=linked_project, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "no source has train-images-idx3-ubyte.gz (9912422 bytes)" in error
    assert error.count("http://127.0.0.1:9/train-images-idx3-ubyte.gz: ") == 2
    left = [path for folder in ("data", ".penstock") for path in (linked_project / folder).rglob("*") if path.is_file()]
    assert left == []


def test_iris_needs_no_network_at_all(config, tmp_path):
    """scikit-learn carries it, and its values make the official bytes."""
    dataset = config.dataset("iris").model_copy(update={"urls": ("http://127.0.0.1:9/",)})
    settings = DownloadConfig(mirrors=(), attempts=1, pause_seconds=PAUSE, timeout_seconds=1)
    (fetched,) = download(
        "iris", dataset, settings, folder=tmp_path / "raw", scratch=tmp_path / "scratch", root=tmp_path
    )
    assert "scikit-learn" in fetched.source
    content = (tmp_path / "raw/bezdekIris.data").read_bytes()
    assert hashlib.sha256(content).hexdigest() == config.dataset("iris").files["bezdekIris.data"].sha256
