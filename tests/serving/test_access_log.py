"""The access log when its file cannot be written."""

import json
import os
import time
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.serving import access_log
from penstock.serving.access_log import AccessLog
from tests.helpers.processes import wait_until
from tests.serving import tiny_models


def add(log, path):
    log.add(client="127.0.0.1:1", method="POST", path=path, status="OK", seconds=0.001, bytes_in=10, bytes_out=None)


@pytest.mark.parametrize(
    ("path", "says"),
    [("nowhere/x.log", "No such file or directory"), ("", "Is a directory"), ("pipe", "No such device")],
)
def test_an_unwritable_log_ends_the_start_with_one_line(tmp_path, capsys, path, says):
    os.mkfifo(tmp_path / "pipe")  # which nobody reads
    tiny_models.save(tmp_path / "models", "fractions", tiny_models.fractions())
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(tmp_path / "models"), "--access-log", str(tmp_path / path)])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: --access-log {tmp_path / path}: {says}")


def test_unwritten_lines_are_retried_with_one_warning(tmp_path, caplog, monkeypatch):
    """The reader of a pipe disconnects and comes back."""
    monkeypatch.setattr(access_log, "WRITE_SECONDS", 0.005)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(tmp_path / "pipe")
    os.close(reader)
    add(log, "/first")
    wait_until(lambda: caplog.messages)
    add(log, "/second")
    time.sleep(0.05)  # for it to be tried again, more than once
    reader = os.open(tmp_path / "pipe", os.O_RDONLY)
    log.close()
    with os.fdopen(reader) as lines:
        assert [json.loads(line)["path"] for line in lines] == ["/first", "/second"]
    assert caplog.messages == [f"--access-log {tmp_path / 'pipe'}: Broken pipe"]


def test_the_log_survives_a_full_disk(caplog):
    log = AccessLog(Path("/dev/full"))
    add(log, "/first")
    wait_until(lambda: caplog.messages)
    assert caplog.messages == ["--access-log /dev/full: No space left on device"]
    assert log._thread.is_alive()
    log.close()
