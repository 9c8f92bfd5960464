"""Remove user names, passwords and tokens from the addresses in a message."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"(?P<scheme>[\w+.-]+)://(?P<rest>\S*@\S*)")
_HOST = re.compile(r"(\[[\da-fA-F:.]+\]|[^\s:/@?#]+)(:\d+)?(?=[/?#,;)'\"]|$)")
_PATHS = ("sqlite", "file")  # have a path where others have a user and a host
_SECRET = r"[\w-]*(?:password|passwd|token|secret|credential|signature|key)[\w-]*"
_PARAMETER = re.compile(rf"([?&;#](?:{_SECRET}|user|sig)=)[^&;\s'\"]+", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """Return a text in which addresses have no user information, and parameters with a secret are `***`."""
    return _PARAMETER.sub(r"\1***", _ADDRESS.sub(_without_user, text))


def _without_user(address: re.Match[str]) -> str:
    scheme, rest = address["scheme"], address["rest"]
    is_web = scheme in ("http", "https")
    if scheme in _PATHS or (is_web and _HOST.match(rest)):
        return address[0]
    # Drivers of databases accept a user and a password with any character, so only the last @ ends them.
    before_path = re.match(r"[^/?#]*@", rest) if is_web else None
    return f"{scheme}://{rest[before_path.end() :] if before_path else rest.rpartition('@')[2]}"
