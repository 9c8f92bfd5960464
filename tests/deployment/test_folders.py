"""Folders are replaced atomically."""

import pytest

from penstock.deployment.folders import atomic_folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder, text):
    with atomic_folder(folder) as unfinished:
        (unfinished / "file").write_text(text)
        if text == "wrong":
            raise RuntimeError


def test_folders_are_replaced_atomically(tmp_path):
    write(tmp_path / "folder", "first")
    with pytest.raises(RuntimeError):
        write(tmp_path / "folder", "wrong")
    assert contents(tmp_path) == {"folder/file": "first"}
    write(tmp_path / "folder", "second")
    assert contents(tmp_path) == {"folder/file": "second"}


def test_the_old_folder_is_restored_after_a_kill(tmp_path):
    write(tmp_path / "folder", "first")
    (tmp_path / "folder").rename(tmp_path / ".folder.old")
    with pytest.raises(RuntimeError):
        write(tmp_path / "folder", "wrong")
    assert contents(tmp_path) == {"folder/file": "first"}


def test_the_old_folder_is_restored_after_a_failed_rename(tmp_path):
    write(tmp_path / "folder", "first")
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "folder") as unfinished:
        unfinished.rmdir()
    assert contents(tmp_path) == {"folder/file": "first"}
