"""Download official files from the first source that has the declared sha256.

The order of sources is: the folder of the dataset, mirrors (folders or URLs), the official URLs, an installed library.
An incomplete file stays in `scratch`. A range request (RFC 9110, section 14) resumes an interrupted transfer. A file
moves to its final path only after its sha256 is verified.

This module uses httpx and tenacity because pooch and fsspec do not resume transfers.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from rich.progress import Progress, TaskID
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from penstock.config.data import DatasetConfig, DownloadConfig, FileConfig
from penstock.core import console
from penstock.core.errors import ConfigError, DownloadError
from penstock.core.network import open_client, set_variables
from penstock.data.declared_files import remedy
from penstock.data.sources.offline import OFFLINE_FILES
from penstock.io.files import sha256

CHUNK = 1 << 16
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)


class _SourceError(Exception):
    """The source cannot provide the file. The message gives the reason."""


class _TemporaryError(Exception):
    """The connection or the server failed. A retry can succeed."""


@dataclass(frozen=True)
class Fetched:
    """Downloaded file and its source, for the terminal only. Stage outputs do not contain the source."""

    name: str
    """Name of the file."""
    source: str
    """Folder, URL or library."""


def download(
    name: str, dataset: DatasetConfig, settings: DownloadConfig, *, folder: Path, scratch: Path, root: Path
) -> Iterator[Fetched]:
    """Download the files of a dataset.

    Args:
        name: Name of the dataset, and of its folder on mirrors.
        dataset: URLs, sizes and hashes.
        settings: Mirrors, attempts and timeouts.
        folder: Folder of complete files.
        scratch: Folder of incomplete files. They remain if the process is killed.
        root: Base folder of relative mirror paths.

    Yields:
        Each file when it is complete.

    Raises:
        DownloadError: No source has a file with the declared sha256. The message lists each source and its error.
    """
    with console.transfer_progress() as progress:
        for file_name, file in dataset.files.items():
            task = progress.add_task(file_name, total=file.bytes)
            transfer = _Transfer(name, file_name, file, settings, folder, scratch, progress, task)
            yield transfer.run(dataset.urls, dataset.folder, root)
            progress.update(task, completed=file.bytes)


Fetch = Callable[[Path], None]


@dataclass(frozen=True)
class _Transfer:
    """Download of one file."""

    dataset: str
    name: str
    file: FileConfig
    settings: DownloadConfig
    folder: Path
    scratch: Path
    progress: Progress
    task: TaskID

    def run(self, official: tuple[str, ...], own_folder: str | None, root: Path) -> Fetched:
        if self._is_right(self.folder / self.name):
            return Fetched(self.name, "already there")
        self.scratch.mkdir(parents=True, exist_ok=True)
        reasons = []
        for source, fetch in self._sources(official, own_folder, root):
            unfinished = self._unfinished(source)
            try:
                fetch(unfinished)
                self._check_and_place(unfinished)
            except _SourceError as reason:
                unfinished.unlink(missing_ok=True)
                console.warn(f"{self.dataset}: {source}: {reason}")
                reasons.append(f"{source}: {reason}")
            else:
                return Fetched(self.name, source)
        listed = "; ".join(reasons)
        problem = f"{self.dataset}: no source has {self.name} ({self.file.bytes} bytes): {listed}"
        advice = remedy(self.dataset, Path(own_folder) / self.name, root) if own_folder is not None else ""
        raise DownloadError(f"{problem}; {advice}" if advice else problem)

    def _unfinished(self, source: str) -> Path:
        """Return the path of the incomplete file. Each source has its own, because its bytes can differ."""
        return self.scratch / f"{self.file.sha256}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"

    def _sources(self, official: tuple[str, ...], own_folder: str | None, root: Path) -> Iterator[tuple[str, Fetch]]:
        if own_folder is not None:
            yield str(Path(own_folder) / self.name), partial(_copy, root / own_folder / self.name)
        for mirror in self.settings.mirrors:
            if mirror.startswith(("http://", "https://")):
                url = f"{mirror.rstrip('/')}/{self.dataset}/{self.name}"
                yield url, partial(self._from_url, url)
            elif (root / mirror).is_dir():
                path = root / mirror / self.dataset / self.name
                yield str(Path(mirror) / self.dataset / self.name), partial(_copy, path)
        for address in official:
            url = f"{address.rstrip('/')}/{self.name}"
            yield url, partial(self._from_url, url)
        offline = OFFLINE_FILES.get(self.file.sha256)
        if offline is not None:
            read = offline.read
            yield offline.library, lambda unfinished: _write(unfinished, read())

    def _from_url(self, url: str, unfinished: Path) -> None:
        self._retry(lambda: self._stream(url, unfinished))

    def _retry(self, attempt: Callable[[], None]) -> None:
        retrying = Retrying(
            stop=stop_after_attempt(self.settings.attempts),
            wait=wait_random_exponential(multiplier=self.settings.pause_seconds, max=30),
            retry=retry_if_exception_type(_TemporaryError),
            reraise=True,
        )
        try:
            retrying(attempt)
        except _TemporaryError as error:
            raise _SourceError(f"{error} ({self.settings.attempts} attempts)") from None

    def _stream(self, url: str, unfinished: Path) -> None:
        """Make one attempt, which resumes the incomplete file if the server supports range requests."""
        have = unfinished.stat().st_size if unfinished.exists() else 0
        if have == self.file.bytes:  # killed between the last byte and verification
            return
        # Ranges count bytes as sent. A compressed transfer could not be resumed.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        try:
            with (
                open_client(self.settings.timeout_seconds) as client,
                client.stream("GET", url, headers=headers) as response,
            ):
                _reject(response, unfinished)
                self._append(response, unfinished, have)
        except httpx.ConnectTimeout:
            # Do not retry: a network that drops packets also drops those of the next attempt.
            reason = f"no connection within {self.settings.timeout_seconds:g} s{set_variables(url)}"
            raise _SourceError(reason) from None
        except httpx.TimeoutException:
            raise _TemporaryError(f"no answer within {self.settings.timeout_seconds:g} s") from None
        except httpx.TransportError as error:
            raise _TemporaryError(f"{str(error) or type(error).__name__}{set_variables(url)}") from None
        except (ConfigError, httpx.InvalidURL, httpx.HTTPError, UnicodeError) as error:
            raise _SourceError(str(error)) from None
        size = unfinished.stat().st_size
        if size < self.file.bytes:
            raise _TemporaryError(f"the body ended after {size} of {self.file.bytes} bytes")

    def _append(self, response: httpx.Response, unfinished: Path, have: int) -> None:
        with unfinished.open("ab") as body:
            body.truncate(_first_byte(response, have))
            for chunk in response.iter_raw(CHUNK):
                body.write(chunk)
                self.progress.update(self.task, completed=body.tell())
                if body.tell() > self.file.bytes:
                    raise _SourceError(f"sends more than the {self.file.bytes} bytes declared in params.yaml")

    def _check_and_place(self, unfinished: Path) -> None:
        found = sha256(unfinished)
        if found != self.file.sha256:
            raise _SourceError(
                f"wrong bytes: sha256 {found[:12]}… of {unfinished.stat().st_size} bytes, "
                f"not {self.file.sha256[:12]}… of {self.file.bytes}"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished.replace(self.folder / self.name)

    def _is_right(self, path: Path) -> bool:
        return path.is_file() and sha256(path) == self.file.sha256


def _copy(path: Path, unfinished: Path) -> None:
    try:
        source = path.open("rb")
    except OSError as error:
        raise _SourceError(error.strerror or str(error)) from None
    with source, unfinished.open("wb") as target:
        shutil.copyfileobj(source, target)


def _write(unfinished: Path, content: bytes) -> None:
    unfinished.write_bytes(content)


def _reject(response: httpx.Response, unfinished: Path) -> None:
    status = f"{response.status_code} {response.reason_phrase}"
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        unfinished.unlink(missing_ok=True)
        raise _TemporaryError(status)
    if response.status_code in TEMPORARY:
        raise _TemporaryError(status)
    if not response.is_success:
        raise _SourceError(status)


def _first_byte(response: httpx.Response, have: int) -> int:
    """Return the offset of the body in the file, in bytes: `have`, or 0 if the server ignores ranges.

    Raises:
        _SourceError: The server sends another range than requested.
    """
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return 0
    content_range = response.headers.get("Content-Range", "none")
    if not content_range.startswith(f"bytes {have}-"):
        raise _SourceError(f"requested bytes from {have}, got Content-Range {content_range}")
    return have
