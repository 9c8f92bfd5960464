"""Folders are whole or not there, and what was there before goes last."""

import pytest

from penstock.deployment.folders import atomic_folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder, text):
    with atomic_folder(folder) as unfinished:
        (unfinished / "file").write_text(text)
        if text == "wrong":
            raise RuntimeError


def test_a_folder_is_exchanged_as_a_whole_or_not_at_all(tmp_path):
    write(tmp_path / "folder", "first")
    with pytest.raises(RuntimeError):
        write(tmp_path / "folder", "wrong")
    assert contents(tmp_path) == {"folder/file": "first"}
    write(tmp_path / "folder", "second")
    assert contents(tmp_path) == {"folder/file": "second"}


def test_what_a_process_moved_that_was_killed_before_it_put_something_there_is_back(tmp_path):
    write(tmp_path / "folder", "first")
    (tmp_path / "folder").rename(tmp_path / ".folder.old")
    with pytest.raises(RuntimeError):
        write(tmp_path / "folder", "wrong")
    assert contents(tmp_path) == {"folder/file": "first"}


def test_what_was_there_is_put_back_if_its_place_cannot_be_taken(tmp_path):
    write(tmp_path / "folder", "first")
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "folder") as unfinished:
        unfinished.rmdir()
    assert contents(tmp_path) == {"folder/file": "first"}
