"""`GET /bundles/<digest>`: the release for OPA servers elsewhere, by OPA's own bundle protocol. Off without a token.

Only the release that is pinned and the one before it are handed out, each by the digest of its content: whoever changes
what a name represents cannot make an OPA load another one.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PREFIX = "sha256:"


def blueprint(releases: Callable[[], Mapping[str, bytes]], token: str) -> Blueprint:
    """The route. releases: what may be had now, bundles by revision; token: the bearer token of OPAs, not empty."""
    routes = Blueprint("bundles", __name__)

    @routes.get("/bundles/<name>")
    def bundle(name: str) -> Response:
        if not _is_opa(token):
            return Response(status=401, headers={"WWW-Authenticate": 'Bearer realm="bundles"'})
        found = releases().get(_PREFIX + name) if _DIGEST.fullmatch(name) else None
        if found is None:
            raise NotFound
        tag = f'"{name}"'
        if tag in {one.strip() for one in request.headers.get("If-None-Match", "").split(",")}:
            return Response(status=304, headers={"ETag": tag})
        return Response(found, 200, headers={"ETag": tag}, content_type="application/gzip")

    return routes


def _is_opa(token: str) -> bool:
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), token.encode())
