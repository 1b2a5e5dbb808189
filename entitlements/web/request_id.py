"""The caller's own name for a request, `X-Request-ID`: what may be one, and where it is read."""

from __future__ import annotations

import re

from entitlements.errors import RequestInvalid

HEADER = "X-Request-ID"
_PLAIN = re.compile(r"[\x21-\x7e]{1,128}")


def is_request_id(text: str) -> bool:
    """Whether it is logged and repeated as it is."""
    return _PLAIN.fullmatch(text) is not None


def request_id(sent: str | None) -> str:
    """The name of a request by its header, empty where it has none or one that is not repeated."""
    return sent if sent is not None and is_request_id(sent) else ""


def check_request_id(sent: str | None) -> None:
    """Raises RequestInvalid `request_id_invalid` for a name that is not one."""
    if sent is not None and not is_request_id(sent):
        raise RequestInvalid(
            "request_id_invalid",
            "the request is malformed",
            {HEADER: ["must be 1 to 128 printable characters without whitespace"]},
        )
