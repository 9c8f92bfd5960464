"""Envelopes are those of DSSE: another implementation verifies ours, and ours verifies its."""

import base64
import copy
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, Key, SSlibKey  # type: ignore[attr-defined]

from penstock.attestation.envelope import PAYLOAD_TYPE, Envelope
from penstock.attestation.keys import PrivateKey
from penstock.core.errors import AttestationError
from tests.attestation.conftest import STATEMENT

SIGNER, OTHER = PrivateKey(Ed25519PrivateKey.generate()), PrivateKey(Ed25519PrivateKey.generate())
SIGNED = Envelope(STATEMENT.to_bytes(), PAYLOAD_TYPE).signed([SIGNER]).to_json()


def test_the_example_of_the_dsse_specification_is_encoded_alike():
    envelope = Envelope(b"hello world", "http://example.com/HelloWorld")
    assert envelope.signed_bytes == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_securesystemslib_verifies_our_envelope(key):
    ours = Envelope(STATEMENT.to_bytes(), PAYLOAD_TYPE).signed([key]).to_json()
    theirs = SSlibKey.from_crypto(key.key.public_key())
    assert theirs.keyid == key.public.keyid
    verified = OtherEnvelope.from_dict(json.loads(json.dumps(ours))).verify([theirs], threshold=1)
    assert verified == {key.public.keyid: theirs}


def test_securesystemslib_rejects_our_envelope_with_another_payload(key):
    ours = Envelope(STATEMENT.to_bytes(), PAYLOAD_TYPE).signed([key]).to_json()
    ours["payload"] = base64.b64encode(STATEMENT.to_bytes().replace(b"iris", b"Iris")).decode()
    with pytest.raises(VerificationError):
        OtherEnvelope.from_dict(ours).verify([SSlibKey.from_crypto(key.key.public_key())], threshold=1)


def test_our_code_verifies_an_envelope_of_securesystemslib(key):
    theirs = OtherEnvelope(STATEMENT.to_bytes(), PAYLOAD_TYPE, {})
    theirs.sign(CryptoSigner(key.key))
    envelope = Envelope.from_json(theirs.to_dict())
    assert envelope.is_signed_by(key.public)
    assert not envelope.is_signed_by(OTHER.public)


def test_several_keys_sign_one_envelope(key):
    envelope = Envelope.from_json(Envelope(b"{}", PAYLOAD_TYPE).signed([key, OTHER]).to_json())
    assert envelope.is_signed_by(key.public)
    assert envelope.is_signed_by(OTHER.public)
    theirs: list[Key] = [SSlibKey.from_crypto(one.key.public_key()) for one in (key, OTHER)]
    assert len(OtherEnvelope.from_dict(envelope.to_json()).verify(theirs, threshold=2)) == 2


def test_both_alphabets_of_base64_are_read():
    signed = Envelope(bytes(range(256)), PAYLOAD_TYPE).signed([SIGNER]).to_json()
    signed["payload"] = signed["payload"].replace("+", "-").replace("/", "_")
    assert Envelope.from_json(signed).is_signed_by(SIGNER.public)


def _is_accepted(content) -> bool:
    try:
        return Envelope.from_json(content).is_signed_by(SIGNER.public)
    except AttestationError:
        return False


@given(st.sampled_from(["payload", "payloadType", "sig"]), st.data())
def test_every_change_of_a_signed_field_is_caught(field, data):
    tampered = copy.deepcopy(SIGNED)
    holder = tampered["signatures"][0] if field == "sig" else tampered
    text = holder[field]
    place = data.draw(st.integers(0, len(text) - 1))
    holder[field] = text[:place] + data.draw(st.characters(max_codepoint=127)) + text[place + 1 :]
    changed = holder[field] if field == "payloadType" else holder[field].translate(str.maketrans("-_", "+/"))
    assert _is_accepted(tampered) == (changed == text)


@given(st.integers(0), st.binary(min_size=1, max_size=3))
def test_every_change_of_the_signed_bytes_is_caught(place, added):
    payload = STATEMENT.to_bytes()
    place %= len(payload)
    changed = payload[:place] + added + payload[place:]
    tampered = SIGNED | {"payload": base64.b64encode(changed).decode()}
    assert not _is_accepted(tampered)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_what_is_no_envelope_is_an_error_of_its_own(content):
    for value in (content, {"payload": content, "payloadType": "", "signatures": content}):
        assert not _is_accepted(value)
    for field in ("payload", "payloadType", "signatures"):
        changed = SIGNED | {field: content}
        assert _is_accepted(changed) == (content == SIGNED[field])


def test_the_key_id_is_only_a_hint():
    renamed = copy.deepcopy(SIGNED)
    renamed["signatures"][0]["keyid"] = OTHER.public.keyid
    envelope = Envelope.from_json(renamed)
    assert envelope.is_signed_by(SIGNER.public)
    assert not envelope.is_signed_by(OTHER.public)
