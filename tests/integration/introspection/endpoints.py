"""An introspection endpoint on loopback that answers as it is told and keeps what it was asked."""

from __future__ import annotations

import json
import ssl
from typing import Any

from tests.loopback_server import Answer, Asked, LoopbackServer, answered


def says(content: Any, status: int = 200, kind: str = "application/json", **headers: str) -> Answer:
    """Answers with a JSON value, or with octets as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return answered(body, status, **{"Content_Type": kind, **headers})


class FakeIssuer(LoopbackServer):
    """See the module. tls: of the server, None for plain http on loopback."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__("/introspect", says({"active": False}), tls)

    @property
    def asked(self) -> list[Asked]:
        return self.questions
