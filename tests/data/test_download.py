"""Test downloads: a file gets its final name only if its hash is correct, even if servers fail."""

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
from tests.data.faulty_server import ignoring_ranges, sending_range, serve, stalled, status, truncated, whole
from tests.helpers.processes import wait_until

CONTENT = bytes(range(256)) * 1024
NAME = "digits.gz"
PAUSE = 0.01


@pytest.fixture
def fetch(config, tmp_path):
    """Download a dataset of one file from the given official URLs and mirrors; return the fetched files."""
    template = config.dataset("mnist")

    def fetch(*official, mirrors=(), attempts=3, timeout=2, content=CONTENT, own_folder=None):
        file = FileConfig(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        dataset = template.model_copy(update={"urls": official, "folder": own_folder, "files": {NAME: file}})
        settings = DownloadConfig(mirrors=mirrors, attempts=attempts, pause_seconds=PAUSE, timeout_seconds=timeout)
        folders = {"folder": tmp_path / "raw", "scratch": tmp_path / "scratch", "root": tmp_path}
        return list(download("mnist", dataset, settings, **folders))

    return fetch


@pytest.fixture
def files(tmp_path):
    """Return the content of all files by name, complete and incomplete."""
    return lambda: {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_first_official_url_is_used(fetch, files):
    with serve(whole(CONTENT)) as first, serve(whole(CONTENT)) as second:
        (fetched,) = fetch(first.address, second.address)
    assert fetched.source == first.address + NAME
    assert second.requests == []
    assert files() == {NAME: CONTENT}


def test_folder_mirror_takes_precedence_over_official_urls(fetch, files, tmp_path):
    (tmp_path / "mirror/mnist").mkdir(parents=True)
    (tmp_path / "mirror/mnist" / NAME).write_bytes(CONTENT)
    with serve(whole(CONTENT)) as official:
        fetch(official.address, mirrors=("not/there", "mirror"))
    assert official.requests == []
    assert (tmp_path / "raw" / NAME).read_bytes() == CONTENT


def test_a_file_of_ones_own_that_is_edited_or_not_here_names_the_command(fetch, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / f"{NAME}.dvc").touch()
    with pytest.raises(DownloadError, match=rf"; `dvc pull own/{NAME}` brings the declared file$"):
        fetch(own_folder="own")
    (own / NAME).write_bytes(CONTENT[1:])
    with pytest.raises(DownloadError, match=r"declared file, `penstock update mnist` records an edited file$"):
        fetch(own_folder="own")
    (own / f"{NAME}.dvc").unlink()
    with pytest.raises(DownloadError, match=r"; `penstock update mnist` records an edited file$"):
        fetch(own_folder="own")
    (own / NAME).write_bytes(CONTENT)
    (fetched,) = fetch(own_folder="own")
    assert fetched.source == f"own/{NAME}"


def test_mirror_can_be_a_url(fetch):
    with serve(whole(CONTENT)) as mirror, serve(status(404)) as official:
        (fetched,) = fetch(official.address, mirrors=(mirror.address,))
    assert fetched.source == f"{mirror.address}mnist/{NAME}"


def test_interrupted_transfer_resumes(fetch, files):
    with serve(truncated(CONTENT, after=100_000), whole(CONTENT)) as server:
        fetch(server.address)
    (_, first), (_, second) = server.requests
    assert first is None
    assert second is not None
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 100_000
    assert files() == {NAME: CONTENT}


def test_transfer_restarts_if_server_ignores_ranges(fetch, files):
    with serve(truncated(CONTENT, after=100_000), ignoring_ranges(CONTENT)) as server:
        fetch(server.address)
    assert files() == {NAME: CONTENT}


def test_stalled_transfer_times_out_and_resumes(fetch, files):
    with serve(stalled(CONTENT, after=70_000, seconds=8), whole(CONTENT)) as server:
        fetch(server.address)
    assert len(server.requests) >= 2
    assert files() == {NAME: CONTENT}


def test_temporary_server_error_is_retried(fetch, files):
    with serve(status(503), status(429), whole(CONTENT)) as server:
        fetch(server.address)
    assert files() == {NAME: CONTENT}


def test_unsatisfiable_range_restarts_transfer(fetch, files):
    with serve(truncated(CONTENT, after=100_000), status(416), whole(CONTENT)) as server:
        fetch(server.address)
    assert server.requests[-1][1] is None
    assert files() == {NAME: CONTENT}


def test_complete_file_of_killed_process_is_not_downloaded_again(fetch, files, tmp_path):
    with serve(status(404)) as server:
        source = server.address + NAME
        name = f"{hashlib.sha256(CONTENT).hexdigest()}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
        (tmp_path / "scratch").mkdir()
        (tmp_path / "scratch" / name).write_bytes(CONTENT)
        fetch(server.address)
        assert server.requests == []
    assert files() == {NAME: CONTENT}


@pytest.mark.parametrize(
    "content_range", [None, "bytes 99999999999999999999-", "bytes ²-", "bytes 0-", "pages 100000-"]
)
def test_unrequested_range_is_rejected(fetch, files, capsys, content_range):
    with (
        serve(truncated(CONTENT, after=100_000), sending_range(CONTENT, content_range)) as first,
        serve(whole(CONTENT)) as second,
    ):
        fetch(first.address, second.address)
    message = " ".join(capsys.readouterr().err.split())
    assert re.search(r"requested bytes from \d+, got Content-Range", message)
    assert files() == {NAME: CONTENT}


def test_gzip_content_encoding_is_not_decoded(fetch, files):
    compressed = gzip.compress(CONTENT)
    with serve(ignoring_ranges(compressed, encoding="gzip")) as server:
        fetch(server.address, content=compressed)
    assert files() == {NAME: compressed}


def test_invalid_url_falls_through_to_next_source(fetch, files):
    with serve(whole(CONTENT)) as server:
        fetch(f"http://{'a' * 70}.example/", server.address.rstrip("/"))
    assert files() == {NAME: CONTENT}


@pytest.mark.parametrize(
    ("name", "value"), [("ALL_PROXY", "socks5://127.0.0.1:9"), ("SSL_CERT_FILE", "/no/file"), ("NO_PROXY", "[::1]")]
)
def test_invalid_proxy_or_certificates_leave_the_folder_mirror(fetch, tmp_path, capsys, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with serve(whole(CONTENT)) as server:
        with pytest.raises(DownloadError, match=re.escape(f"{server.address}{NAME}: {name}={value}: ")):
            fetch(server.address)
        assert server.requests == []
        (tmp_path / "mirror/mnist").mkdir(parents=True)
        (tmp_path / "mirror/mnist" / NAME).write_bytes(CONTENT)
        (fetched,) = fetch(server.address, mirrors=(server.address, "mirror"))
    assert fetched.source == f"mirror/mnist/{NAME}"
    assert capsys.readouterr().err.count(f"{name}={value}: ") == 2


def test_unreachable_proxy_is_named(fetch, monkeypatch):
    monkeypatch.setenv("http_proxy", "user:secret@127.0.0.1:9")
    with pytest.raises(DownloadError, match=re.escape("(http_proxy=http://127.0.0.1:9)")):
        fetch("http://example.org/")


def test_wrong_bytes_are_reported_and_next_source_is_used(fetch, files, capsys):
    wrong = CONTENT[:-1] + b"x"
    with serve(whole(wrong)) as first, serve(whole(CONTENT)) as second:
        (fetched,) = fetch(first.address, second.address)
    assert fetched.source == second.address + NAME
    assert "wrong bytes" in capsys.readouterr().err
    assert files() == {NAME: CONTENT}


def test_oversized_response_falls_through_to_next_source(fetch, files):
    with serve(ignoring_ranges(CONTENT * 3)) as first, serve(whole(CONTENT)) as second:
        fetch(first.address, second.address)
    assert files() == {NAME: CONTENT}


def test_sources_do_not_share_incomplete_files(fetch, files):
    wrong = b"x" * len(CONTENT)
    with serve(truncated(wrong, after=100_000)) as first, serve(whole(CONTENT)) as second:
        fetch(first.address, second.address)
    assert second.requests == [(f"/{NAME}", None)]
    assert files() == {NAME: CONTENT}


def test_failure_lists_every_source_and_leaves_no_files(fetch, files):
    closed = "http://127.0.0.1:9/"
    with (
        serve(status(404)) as missing,
        serve(whole(b"?" * len(CONTENT))) as wrong,
        serve(truncated(CONTENT, 9)) as short,
    ):
        with pytest.raises(DownloadError) as raised:
            fetch(missing.address, wrong.address, short.address, closed)
        message = str(raised.value)
        assert f"{missing.address}{NAME}: 404 Not Found" in message
        assert f"{wrong.address}{NAME}: wrong bytes" in message
        assert f"{short.address}{NAME}: " in message
        assert "3 attempts" in message
        assert f"{closed}{NAME}: " in message
    assert files() == {}


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(0, len(CONTENT) - 1), max_size=3))
def test_repeatedly_interrupted_transfer_is_correct(config, tmp_path_factory, lengths):
    folder = tmp_path_factory.mktemp("download")
    file = FileConfig(bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    with serve(*(truncated(CONTENT, after) for after in lengths), whole(CONTENT)) as server:
        update = {"urls": (server.address,), "files": {NAME: file}}
        dataset = config.dataset("mnist").model_copy(update=update)
        settings = DownloadConfig(mirrors=(), attempts=4, pause_seconds=PAUSE, timeout_seconds=1)
        folders = {"folder": folder / "raw", "scratch": folder / "scratch", "root": folder}
        list(download("mnist", dataset, settings, **folders))
    assert (folder / "raw" / NAME).read_bytes() == CONTENT


def test_killed_download_resumes_in_next_process(linked_project):
    """The first process is killed while the server stalls."""
    content = CONTENT * 4
    file = FileConfig(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    params = linked_project / "params.yaml"
    text = params.read_text()
    with serve(stalled(content, after=500_000, seconds=20), whole(content)) as server:
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
    assert server.requests[1][1] is not None, "the second process requested only the rest"


def test_command_line_reports_failed_sources_in_one_line(linked_project):
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


@pytest.mark.parametrize("all_proxy", ["", "socks5://127.0.0.1:9"])
def test_iris_needs_no_network(config, tmp_path, monkeypatch, all_proxy):
    """The official file is rebuilt from the values in scikit-learn."""
    monkeypatch.setenv("ALL_PROXY", all_proxy)
    dataset = config.dataset("iris").model_copy(update={"urls": ("http://127.0.0.1:9/",)})
    settings = DownloadConfig(mirrors=(), attempts=1, pause_seconds=PAUSE, timeout_seconds=1)
    (fetched,) = download(
        "iris", dataset, settings, folder=tmp_path / "raw", scratch=tmp_path / "scratch", root=tmp_path
    )
    assert "scikit-learn" in fetched.source
    content = (tmp_path / "raw/bezdekIris.data").read_bytes()
    assert hashlib.sha256(content).hexdigest() == config.dataset("iris").files["bezdekIris.data"].sha256
