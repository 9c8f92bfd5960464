"""Texts in base64, as MLServer's Base64Codec sends them."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.codecs.tensors import TensorSpec
from penstock.serving.errors import InputError

CONTENT_TYPE = "base64"
"""Value of the parameter `content_type` of such an input."""


def texts_from_base64(encoded: NDArray[Any], spec: TensorSpec, where: str) -> NDArray[Any]:
    """Decode each text.

    Args:
        encoded: Texts in base64, of any shape.
        spec: The tensor that they are for.
        where: Place in the request, for error messages.

    Returns:
        Texts, in the same shape.

    Raises:
        InputError: The tensor is not text, or a value is not UTF-8 in base64.
    """
    if spec.datatype != "BYTES":
        raise InputError(f"{where}.parameters.content_type: base64 is for BYTES, not for {spec.datatype}")
    try:
        texts = [b64decode(text, validate=True).decode() for text in encoded.ravel().tolist()]
    except ValueError as error:
        raise InputError(f"{where}: a text is not UTF-8 in base64: {error}") from None
    return np.array(texts, dtype=object).reshape(encoded.shape)
