"""The target URI of a request in one spelling, for the comparison with `htu` (RFC 9449 section 4.3, item 9).

Query and fragment do not count. What is left is normalized by syntax and by scheme (RFC 3986 sections 6.2.2 and
6.2.3) and by nothing else: two addresses that a server could answer differently stay two.
"""

from __future__ import annotations

import re

MAX_URI = 8192
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_URI = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?[^#]*)?(?:#.*)?", re.ASCII | re.IGNORECASE)
# A name or an IPv4 address, or an IPv6 address in brackets; no user, which no target URI has (RFC 9110 section 4.2.4).
_AUTHORITY = re.compile(r"([a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::([0-9]*))?", re.ASCII | re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]", re.ASCII)


def normalized(uri: str) -> str:
    """The one spelling of an absolute http or https URI, without query and fragment.

    Raises ValueError for what is none, in words that do not repeat it.
    """
    if len(uri) > MAX_URI or not uri.isascii() or not uri.isprintable() or " " in uri:
        raise ValueError("is not printable ASCII without whitespace, or is too long")
    parts = _URI.fullmatch(uri)
    authority = _AUTHORITY.fullmatch(parts[2]) if parts else None
    if parts is None or authority is None:
        raise ValueError("is not an absolute http or https URI without a user")
    scheme, host, port = parts[1].lower(), authority[1].lower(), authority[2] or ""
    shown = "" if port in ("", _DEFAULT_PORTS[scheme]) else f":{port}"
    return f"{scheme}://{host}{shown}{_path(parts[3])}"


def _path(path: str) -> str:
    """The path with escapes in one spelling and without dot segments (RFC 3986 sections 6.2.2.1 to 6.2.2.3)."""
    return _without_dot_segments(_ESCAPE.sub(_unescaped, path)) if path else "/"


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] is None:
        raise ValueError("holds `%` without two hexadecimal digits")
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()


def _without_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4 for a path that begins with a slash."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    ends_in_folder = segments[-1] in (".", "..")
    return "/" + "/".join([*kept, ""] if ends_in_folder else kept)
