"""Keys, and a signed statement."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from penstock.attestation.keys import PrivateKey, load_private_key
from penstock.attestation.statement import Statement

PREDICATE = {
    "buildDefinition": {
        "buildType": "urn:penstock:train:1",
        "externalParameters": {"model": "iris_mlp"},
        "resolvedDependencies": [{"name": "params.yaml", "digest": {"sha256": "0" * 64}}],
    },
    "runDetails": {"builder": {"id": "urn:penstock:builder:local"}, "metadata": {"invocationId": "1" * 32}},
}
DIGEST = "ab" * 32
STATEMENT = Statement({"model.onnx": DIGEST}, PREDICATE)


def write_key(path: Path, kind: str, password: str = "") -> Path:
    """Write a private key, and its public key beside it as .pub.pem."""
    key = Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(SECP256R1())
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub.pem").write_bytes(public)
    return path


@pytest.fixture(params=["ed25519", "p256"])
def key(request, tmp_path) -> PrivateKey:
    return load_private_key(write_key(tmp_path / "key.pem", request.param))
