"""Remove user names, passwords and tokens from the addresses in a message."""

from __future__ import annotations

import re

# Up to the last @: drivers of databases accept a password with a slash or an @ in it.
_USER_INFO = re.compile(r"(?<=://)(?:[^\s/:@]*:\S*|[^\s/@]*)@")
_SECRET = r"[\w-]*(?:password|passwd|token|secret|credential|signature|key)[\w-]*"
_PARAMETER = re.compile(rf"([?&;](?:{_SECRET}|user|sig)=)[^&;\s'\"]+", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """Return a text in which addresses have no user information, and parameters with a secret are `***`."""
    return _PARAMETER.sub(r"\1***", _USER_INFO.sub("", text))
