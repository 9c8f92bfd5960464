"""Claims: which worker works on what, in a table beside Optuna's.

A claim is a lease. Its worker renews it, and another worker may take it once it has expired. Each taking gives it a
higher token (a fencing token), so a worker that was paused finds out that its claim was taken. Every operation is one
SQL statement, which SQLite and PostgreSQL execute atomically by the clock of the database.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Column, Engine, Float, Integer, MetaData, String, Table, text
from sqlalchemy.exc import SQLAlchemyError

from penstock.tracking.run import AbandonedRunError

TABLES = MetaData()
Table(
    "penstock_claims",
    TABLES,
    Column("item", String(512), primary_key=True),
    Column("worker", String(256), nullable=False),
    Column("token", Integer, nullable=False),
    Column("expires", Float, nullable=False),
)
# Seconds since 1970.
_NOW = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "extract(epoch from clock_timestamp())",
}
RENEWALS_PER_LEASE = 5


class LostClaimError(AbandonedRunError):
    """Another worker has taken what this one worked on, while this one was paused."""


@dataclass(frozen=True)
class Claim:
    """What a worker has taken."""

    item: str
    token: int


@dataclass(frozen=True)
class Holder:
    """The worker of a claim."""

    worker: str
    is_live: bool
    """Whether the claim has neither expired nor a worker of this machine that is dead."""


@dataclass(frozen=True)
class Claims:
    """The claims of one database."""

    engine: Engine
    worker: str
    seconds: float
    """Time without renewal after which a claim expires."""

    def take(self, item: str) -> Claim | None:
        """Take an item; None if another worker holds it."""
        token = self._execute(
            "INSERT INTO penstock_claims (item, worker, token, expires) VALUES (:item, :worker, 1, {now} + :seconds) "
            "ON CONFLICT (item) DO UPDATE SET worker = excluded.worker, token = penstock_claims.token + 1, "
            "expires = excluded.expires WHERE penstock_claims.expires < {now} RETURNING token",
            item=item,
        )
        return Claim(item, token[0][0]) if token else None

    def renew(self, claim: Claim) -> bool:
        """Renew a claim, also one that has expired; return whether no other worker has taken it."""
        return bool(
            self._execute(
                "UPDATE penstock_claims SET expires = {now} + :seconds WHERE item = :item AND token = :token "
                "AND worker = :worker RETURNING token",
                **vars(claim),
            )
        )

    def release(self, claim: Claim) -> None:
        """Let others take an item. Its token stays, so that the next one is higher."""
        self._execute(
            "UPDATE penstock_claims SET expires = 0 WHERE item = :item AND token = :token AND worker = :worker",
            **vars(claim),
        )

    def holders(self, prefix: str) -> dict[str, Holder]:
        """Return who holds the items that begin with a prefix, or held them last."""
        rows = self._execute("SELECT item, worker, expires > {now} FROM penstock_claims")
        return {
            item: Holder(worker, bool(is_live) and not is_dead(worker))
            for item, worker, is_live in rows
            if item.startswith(prefix)
        }

    def expire_dead(self) -> None:
        """Expire the claims of dead workers of this machine at once."""
        for (worker,) in self._execute("SELECT DISTINCT worker FROM penstock_claims WHERE expires > {now}"):
            if is_dead(worker):
                self._execute("UPDATE penstock_claims SET expires = 0 WHERE worker = :dead", dead=worker)

    def _execute(self, statement: str, **values: object) -> list[Any]:
        sql = statement.format(now=_NOW[self.engine.dialect.name])
        with self.engine.begin() as connection:
            done = connection.execute(text(sql), {"worker": self.worker, "seconds": self.seconds, **values})
            return list(done) if done.returns_rows else []


def _host() -> str:
    """Return a name of this machine; containers may share a host name, but not the numbers of processes."""
    with suppress(OSError):
        return f"{socket.gethostname()}-{Path('/proc/self/ns/pid').stat().st_ino}"
    return socket.gethostname()


def worker_name() -> str:
    """Return a name of this process that no other process has or gets."""
    return f"{_host()}/{os.getpid()}/{psutil.Process().create_time():.2f}"


def is_dead(worker: str) -> bool:
    """Return whether a worker ran on this machine and runs no more. One that is stopped is not dead."""
    host, number, created = worker.rsplit("/", 2)
    if host != _host():
        return False
    try:
        process = psutil.Process(int(number))
        return f"{process.create_time():.2f}" != created or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@dataclass
class HeldClaims:
    """Renew the claims of a worker in a thread, while the block runs, and notice that one is lost."""

    claims: Claims
    held: dict[str, Claim] = field(default_factory=dict)
    lost: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> HeldClaims:
        self._thread = threading.Thread(target=self._renew_regularly, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def take(self, item: str) -> Claim | None:
        """Take an item, and renew its claim from now on."""
        claim = self.claims.take(item)
        if claim is not None:
            self.held[item] = claim
        return claim

    def release(self, claim: Claim) -> None:
        """Renew a claim no more, and let others take its item."""
        self.held.pop(claim.item, None)
        self.claims.release(claim)

    def require(self) -> None:
        """Renew all claims now.

        Raises:
            LostClaimError: Another worker has taken one.
        """
        for claim in list(self.held.values()):
            if not self.claims.renew(claim):
                self.lost.set()
        self.raise_if_lost()

    def raise_if_lost(self) -> None:
        """Raise `LostClaimError` if the last renewal has found that a claim is lost."""
        if self.lost.is_set():
            raise LostClaimError

    def forget(self) -> None:
        """Drop all claims after one was lost; the others may be taken by the worker that has it."""
        for claim in list(self.held.values()):
            self.release(claim)
        self.lost.clear()

    def _renew_regularly(self) -> None:
        while not self._ended.wait(self.claims.seconds / RENEWALS_PER_LEASE):
            with suppress(LostClaimError, SQLAlchemyError):  # an unreachable database: the claim may expire
                self.require()
