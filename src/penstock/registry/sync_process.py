"""The process beside a server that brings it models from MLflow's registry; `penstock.registry.sync` starts it.

    MLFLOW_TRACKING_URI=... python -m penstock.registry.sync_process CACHE SECONDS models:/NAME@ALIAS...

It makes a folder of links to what is in the cache, says which, and looks every so many seconds whether an alias has
moved: then the link is another one, in one step, and the server takes up what is behind it. What cannot be brought
changes nothing. The end of standard input, however the server ended, ends it, and takes the folder away.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from penstock.core.errors import PenstockError
from penstock.core.signals import SIGNALS
from penstock.registry.download import bring, find_version
from penstock.registry.model_uri import ModelURI
from penstock.tracking.errors import OF_MLFLOW, first_line
from penstock.tracking.uri import URI, be_brief, label_of

# Whatever keeps a model from being brought, once MLflow itself was found.
FAILURES = (PenstockError, *OF_MLFLOW)


class Follower:
    """Links by the names of models, in `folder`, to their versions in `cache`."""

    def __init__(self, uri: str, cache: Path, folder: Path, wanted: Sequence[ModelURI]) -> None:
        self.uri = uri
        self.cache = cache / label_of(uri)
        self.folder = folder
        self.wanted = wanted
        self._client = MlflowClient()
        self._linked: dict[str, Path] = {}
        self._warned: dict[str, str] = {}

    def look(self) -> None:
        """Raises `PenstockError` for the first model that cannot be brought."""
        for wanted in self.wanted:
            try:
                self._link(wanted)
            except FAILURES as error:
                raise PenstockError(self._reason(wanted, error)) from None

    def look_again(self) -> None:
        """The same, but a model that cannot be brought stays what it was; the reason is said once."""
        for wanted in self.wanted:
            try:
                self._link(wanted)
                self._warned.pop(wanted.name, None)
            except FAILURES as error:
                self._warn(wanted, self._reason(wanted, error))

    def _link(self, wanted: ModelURI) -> None:
        home = bring(find_version(self._client, wanted), self.cache)
        if self._linked.get(wanted.name) == home:
            return
        new = self.folder / f".{wanted.name}.new"
        new.unlink(missing_ok=True)  # of a look that failed in between
        new.symlink_to(home.resolve())
        new.replace(self.folder / wanted.name)
        self._linked[wanted.name] = home

    def _reason(self, wanted: ModelURI, error: Exception) -> str:
        """In a line; ours name the model themselves."""
        reason = first_line(error)
        return reason if isinstance(error, PenstockError) else f"{wanted}: MLflow at {self.uri}: {reason}"

    def _warn(self, wanted: ModelURI, reason: str) -> None:
        if self._warned.get(wanted.name) != reason:
            print(f"warning: {reason}", file=sys.stderr)
        self._warned[wanted.name] = reason


def main(uri: str, cache: Path, seconds: float, wanted: Sequence[ModelURI]) -> None:
    # They are for the server, which ends this process when it is done.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    be_brief()
    mlflow.set_tracking_uri(uri)
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        follower = Follower(uri, cache, Path(folder), wanted)
        try:
            follower.look()
        except PenstockError as error:
            _say({"error": str(error)})
            return
        _say({"folder": folder})
        while not _has_ended(seconds):
            follower.look_again()


def _say(what: dict[str, str]) -> None:
    with suppress(BrokenPipeError):  # of a server that has ended meanwhile
        os.write(sys.stdout.fileno(), json.dumps(what).encode() + b"\n")


def _has_ended(seconds: float) -> bool:
    """Waits so long, or until nobody holds the other end of standard input any more."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)


if __name__ == "__main__":
    main(os.environ[URI], Path(sys.argv[1]), float(sys.argv[2]), [ModelURI.parse(text) for text in sys.argv[3:]])
