"""Bodies that come compressed, and answers for callers who want them so."""

from __future__ import annotations

import zlib

from penstock.serving.http import Response
from penstock.serving.refusals import InputError, TooLargeError, WrongKindError

# zlib's name for each kind of wrapping. "deflate" means with zlib's header (RFC 9110, section 8.4.1.2).
WRAPPINGS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
LEVEL = 1  # the quickest: an answer is read once
WORTH_BYTES = 1400  # what fits into one packet is not sent sooner for being smaller


def unpacked(body: bytes, encoding: bytes, largest: int) -> bytes:
    """The body as it was before its Content-Encoding.

    Raises:
        WrongKindError: the encoding is none that is known here.
        TooLargeError: it would be larger than `largest` bytes.
        InputError: it is not what its encoding says, or not all of it.
    """
    encoding = encoding.strip().lower()
    if encoding == b"identity":
        return body
    if encoding not in WRAPPINGS:
        raise WrongKindError(f"Content-Encoding: '{encoding.decode('latin-1')}' is none of gzip, deflate")
    unpacking = zlib.decompressobj(WRAPPINGS[encoding])
    try:
        content = unpacking.decompress(body, largest + 1)
    except zlib.error as error:
        raise InputError(f"the body is not {encoding.decode()}: {error}") from None
    if len(content) > largest:
        raise TooLargeError(f"the body is larger than {largest} bytes when it is unpacked")
    if not unpacking.eof:
        raise InputError(f"the body is not {encoding.decode()}: it ends too early")
    return content


def packed(response: Response, accepted: bytes) -> Response:
    """The response in an encoding that the caller accepts, if that makes it worth it."""
    encoding = next((one for one in WRAPPINGS if _accepts(accepted, one)), None)
    if encoding is None or len(response.body) < WORTH_BYTES:
        return response
    packing = zlib.compressobj(LEVEL, wbits=WRAPPINGS[encoding])
    body = packing.compress(response.body) + packing.flush()
    headers = (*response.headers, (b"content-encoding", encoding), (b"vary", b"accept-encoding"))
    return Response(body, response.status, response.kind, headers)


def _accepts(accepted: bytes, encoding: bytes) -> bool:
    """As in `gzip, deflate;q=0.5`; a weight of 0 means no."""
    for one in accepted.lower().split(b","):
        name, _, weight = one.partition(b";")
        if name.strip() == encoding:
            return weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False
