"""Read the members of a .zip archive."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from penstock.core.errors import DataFileError

MAX_MEMBER_BYTES = 64 * 2**20
# Of an archive with more than this, the members may be at most so many times as large as the archive itself.
LARGE_BYTES, MAX_RATIO = 2**30, 200
# The bit of an encrypted member.
ENCRYPTED = 1


class Archive:
    """The files of an open archive; hidden files and those of macOS are left out.

    Raises:
        DataFileError: A member has an unsafe path, is encrypted or too large.
    """

    def __init__(self, name: str, file: zipfile.ZipFile, size: int) -> None:
        self.name = name
        self._file = file
        infos = [info for info in file.infolist() if not info.is_dir()]
        for info in infos:
            self._require_safe(info)
        total = sum(info.file_size for info in infos)
        if total > max(LARGE_BYTES, MAX_RATIO * size):
            raise DataFileError(f"{name}: the members have {total} bytes, more than {MAX_RATIO} times the archive")
        self._members = {info.filename: info for info in infos if not _is_hidden(info.filename)}

    @property
    def members(self) -> list[str]:
        """Paths of the members, sorted."""
        return sorted(self._members)

    def __contains__(self, member: str) -> bool:
        return member in self._members

    def read(self, member: str) -> bytes:
        """Return the content of a member.

        Raises:
            DataFileError: It is damaged.
        """
        try:
            return self._file.read(self._members[member])
        except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, EOFError) as error:
            raise DataFileError(f"{self.name}: {member}: the member is damaged: {error}") from None

    def _require_safe(self, info: zipfile.ZipInfo) -> None:
        path = info.filename
        if path.startswith("/") or "\\" in path or ":" in path.split("/")[0] or ".." in path.split("/"):
            raise DataFileError(f"{self.name}: {path}: a path must stay within the archive")
        if info.flag_bits & ENCRYPTED:
            raise DataFileError(f"{self.name}: {path}: the member is encrypted")
        if info.file_size > MAX_MEMBER_BYTES:
            raise DataFileError(f"{self.name}: {path}: {info.file_size} bytes; the limit is {MAX_MEMBER_BYTES}")


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(path).parts)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive.

    Raises:
        DataFileError: It is no archive, or one that `Archive` rejects.
    """
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError) as error:
        raise DataFileError(f"{path.name}: not a .zip archive: {error}") from None
    with file:
        yield Archive(path.name, file, path.stat().st_size)
