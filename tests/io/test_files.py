"""Test atomic writes and hashes."""

import errno
import os
import signal
import subprocess
import sys
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.core.errors import MissingFileError
from penstock.io.files import atomic_write, canonical_hash, dvc_directory_hash, read_json, write_arrays, write_json


def test_failed_write_keeps_old_file(tmp_path):
    path = tmp_path / "report.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_members_of_arrays_have_headers_that_do_not_depend_on_the_version_of_python(tmp_path):
    arrays: dict[str, NDArray[Any]] = {
        "texts": np.array(["good", "größe"]),
        "column/größe": np.eye(3, dtype=np.float32),
        "one": np.array(1.0),
    }
    write_arrays(tmp_path / "examples.npz", arrays)
    with ZipFile(tmp_path / "examples.npz") as file:
        members = file.infolist()
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    assert {(member.extra, member.extract_version, member.flag_bits & 0x8) for member in members} == {(b"", 20, 0)}
    content = (tmp_path / "examples.npz").read_bytes()
    assert [content[one.header_offset + 28 : one.header_offset + 30] for one in members] == [
        b"\0\0"
    ] * 3  # no extra field
    with np.load(tmp_path / "examples.npz", allow_pickle=False) as found:
        assert list(found) == list(arrays)
        assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_arrays_of_python_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(tmp_path / "examples.npz", {"texts": np.array(["good"], dtype=object)})
    assert not list(tmp_path.iterdir())


def test_full_disk_error_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"report\.json"), atomic_write(tmp_path / "report.json"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_next_write_removes_temporary_file_of_killed_process(tmp_path):
    path = tmp_path / "report.json"
    killed = f"""
import os, signal
from pathlib import Path
from penstock.io.files import atomic_write
with atomic_write(Path({str(path)!r})) as unfinished:
    unfinished.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    write_json(path, {"a": 1})
    assert list(tmp_path.iterdir()) == [path]


def test_concurrent_writers_do_not_interfere(tmp_path):
    path = tmp_path / "report.json"
    write = f"write_json(Path({str(path)!r}), {{'b': 2}})"
    other = f"from pathlib import Path; from penstock.io.files import write_json; {write}"
    with atomic_write(path) as unfinished:
        unfinished.write_text('{"a": ')
        subprocess.run([sys.executable, "-c", other], check=True)
        assert read_json(path) == {"b": 2}
        with unfinished.open("a") as file:
            file.write("1}")
    assert read_json(path) == {"a": 1}


def test_nan_is_rejected(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "report.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_missing_or_invalid_json_error_names_the_file(tmp_path):
    path = tmp_path / "report.json"
    with pytest.raises(MissingFileError, match=r"report\.json: no such file"):
        read_json(path)
    path.write_text('{"a": 1,\n')
    with pytest.raises(MissingFileError, match=r"report\.json:2: not valid JSON"):
        read_json(path)
    for content, message in ((b"[1]", "not a JSON object"), (b'{"a": "\xff"}', "not valid UTF-8")):
        path.write_bytes(content)
        with pytest.raises(MissingFileError, match=message):
            read_json(path)


@given(st.dictionaries(st.text(), st.integers() | st.lists(st.text())))
def test_canonical_hash_ignores_key_order(content):
    assert canonical_hash(content) == canonical_hash(dict(reversed(content.items())))


def test_directory_hash_equals_dvc(tmp_path):
    for name in ("b.npy", "a/z.npy", "a/b.txt", "a-b.txt"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for command in (
        [sys.executable, "-m", "dvc", "init", "-q", "--no-scm"],
        [sys.executable, "-m", "dvc", "add", "-q", "data"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    assert dvc_directory_hash(tmp_path / "data") in (tmp_path / "data.dvc").read_text()
