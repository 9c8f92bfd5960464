"""Content-Encoding of request and response bodies."""

from __future__ import annotations

import zlib

from penstock.core.plurals import counted
from penstock.serving.errors import InputError, PayloadTooLargeError, UnsupportedMediaTypeError
from penstock.serving.http.messages import Response

# zlib's window bits of each encoding; "deflate" has a zlib header (RFC 9110, section 8.4.1.2).
WINDOW_BITS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
ALIASES = {b"x-gzip": b"gzip"}  # RFC 9110, section 8.4.1.3
LEVEL = 1  # the fastest
MIN_SIZE = 1400  # bytes; a response that fits into one packet does not arrive sooner when it is smaller


def decompress(body: bytes, encoding: bytes, max_size: int) -> bytes:
    """Decode a request body.

    Args:
        body: The body as received.
        encoding: Value of its header Content-Encoding.
        max_size: Limit of the decoded size, in bytes.

    Raises:
        UnsupportedMediaTypeError: The encoding is unknown.
        PayloadTooLargeError: The decoded body is larger than `max_size`.
        InputError: The body is not encoded so, or is incomplete.
    """
    encoding = encoding.strip().lower()
    encoding = ALIASES.get(encoding, encoding)
    if encoding == b"identity":
        return body
    if encoding not in WINDOW_BITS:
        raise UnsupportedMediaTypeError(f"Content-Encoding: use gzip or deflate, not '{encoding.decode('latin-1')}'")
    decompressor = zlib.decompressobj(WINDOW_BITS[encoding])
    try:
        content = decompressor.decompress(body, max_size + 1)
    except zlib.error as error:
        raise InputError(f"the body is not {encoding.decode()}: {error}") from None
    if len(content) > max_size:
        raise PayloadTooLargeError(f"the decompressed body is larger than {max_size} bytes")
    if not decompressor.eof:
        raise InputError(f"the body is not {encoding.decode()}: it ends too early")
    # Several members of gzip are valid, but a body of many small ones would take seconds.
    if left := len(decompressor.unused_data):
        raise InputError(f"the body has {counted(left, 'byte')} after its {encoding.decode()} data; send one member")
    return content


def accepted_encoding(accepted: bytes) -> bytes | None:
    """Return the encoding to use for a client, by its header Accept-Encoding; None for no encoding."""
    return next((name for name in WINDOW_BITS if _accepts(accepted, name)), None)


def compress(response: Response, encoding: bytes) -> Response:
    """Encode a response, unless its body is small or encoded already."""
    if len(response.body) < MIN_SIZE or any(name == b"content-encoding" for name, _ in response.headers):
        return response
    compressor = zlib.compressobj(LEVEL, wbits=WINDOW_BITS[encoding])
    body = compressor.compress(response.body) + compressor.flush()
    headers = (*response.headers, (b"content-encoding", encoding), (b"vary", b"accept-encoding"))
    return Response(body, response.status, response.media_type, headers)


def _accepts(accepted: bytes, encoding: bytes) -> bool:
    """Parse a header such as `gzip, deflate;q=0.5`; a weight of 0 means no."""
    for one in accepted.lower().split(b","):
        name, _, weight = one.partition(b";")
        if name.strip() == encoding:
            return weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False
