"""Configuration of the server, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penstock.core.addresses import host_and_port
from penstock.core.cpu import usable_cores

TOKEN_VARIABLE = "PENSTOCK_TOKEN"


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Settings of `penstock serve`."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8080
    """Port for HTTP."""
    grpc_port: int | None = None
    """Port for gRPC; None disables gRPC."""
    token: str | None = None
    """Clients must send `Authorization: Bearer <token>`; None disables authentication."""
    tls_cert: Path | None = None
    """Certificate chain in PEM, for TLS on both ports; None disables TLS."""
    tls_key: Path | None = None
    """Private key of the certificate, in PEM and unencrypted."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may read responses, such as `https://example.org`; `*` for all."""
    max_batch_size: int | None = None
    """Rows per run of a model; None tunes it for each model when the model is loaded."""
    max_request_rows: int = 16384
    """Rows per request. A larger request is answered with 413."""
    max_queue_size: int = 1024
    """Rows in the queue of one model, and images in the queue of the decoder. A full queue is answered with 503."""
    queue_timeout: float = 5.0
    """Seconds in a queue, then 503."""
    timeout: float = 30.0
    """Seconds for a whole request, then 504."""
    keep_alive_timeout: float = 75.0
    """Seconds until a connection without a request is closed."""
    max_body_size: int = 16 * 2**20
    """Bytes per request body, decompressed. A larger body is answered with 413."""
    max_total_body_size: int = 256 * 2**20
    """Bytes of all bodies that are being read or answered, then 503."""
    max_connections: int = 4096
    """Open connections."""
    shutdown_grace: float = 0.5
    """Seconds between SIGTERM and the end of listening, in which clients find another server."""
    workers: int = 0
    """Threads that run models; 0 for one per CPU core."""
    poll_seconds: float = 1.0
    """Seconds between two checks of the model folders for new files."""
    allow_unvalidated: bool = False
    """Whether to serve ONNX files that no validation record names; their metadata say so."""
    attestation_key: Path | None = None
    """File of the public key that must have signed an attestation of each ONNX file; None requires none."""
    ready_requires_all: bool = False
    """Whether the server is ready only if every model of the folders is served. By default, one rejected file does not
    take the other models, or its own old version, out of a load balancer."""
    shadow_share: float = 0.1
    """Share of the requests for a model with a shadow that its challenger gets as well."""
    access_log: Path | None = None
    """File for one line of JSON per request; "-" is standard error, None disables the log."""

    @property
    def num_workers(self) -> int:
        return self.workers or usable_cores()

    @property
    def scheme(self) -> str:
        """Scheme of the server's URLs."""
        return "http" if self.tls_cert is None else "https"

    def address(self, port: int) -> str:
        """Return host and port as a URL has them."""
        return host_and_port(self.host, port)
