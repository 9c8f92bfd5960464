"""What the person who runs the server may decide; the defaults are written here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penstock.core.cpu import usable_cores

TOKEN_VARIABLE = "PENSTOCK_TOKEN"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """host, port: where it listens; grpc_port: for gRPC, None for none.

    token: what callers must show as `Authorization: Bearer ...`; anybody may ask where it is None.
    most_rows: of one run of a model; None measures each model when it is loaded.
    request_rows: of one request; more are refused with 413. waiting_rows: of one model's queue, and pictures that wait
    to be decoded; more are refused with 503. longest_wait: in the queue, after which a request is refused with 503;
    timeout: of a whole request, after which it is answered with 504; seconds.
    largest_body, all_bodies: bytes of one request's body, unpacked, and of all that are being read or answered.
    connections: most at once; grace: seconds between SIGTERM and the end of listening, for callers to look elsewhere.
    lanes: threads that run models, 0 for one for each core.
    watch_seconds: how often the folders are looked at for new files.
    access_log: a file for a line of JSON for each request, "-" for the terminal, None for no log.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = None
    token: str | None = None
    most_rows: int | None = None
    request_rows: int = 16384
    waiting_rows: int = 1024
    longest_wait: float = 5.0
    timeout: float = 30.0
    largest_body: int = 16 * 2**20
    all_bodies: int = 256 * 2**20
    connections: int = 4096
    grace: float = 0.5
    lanes: int = 0
    watch_seconds: float = 1.0
    access_log: Path | None = None

    @property
    def threads(self) -> int:
        return self.lanes or usable_cores()

    def address(self, port: int) -> str:
        """Of one of its ports, as it stands in a URL: brackets keep the colons of IPv6 apart from the port's."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"
