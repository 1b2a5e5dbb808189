"""What a token's header may say. It chooses a key out of the issuer's set and nothing else (RFC 8725 section 3)."""

from __future__ import annotations

from collections.abc import Mapping

from entitlements.errors import TokenRejected
from entitlements.model import JSON
from entitlements.token.jwks import KEY_ID

_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_FORBIDDEN = frozenset(
    {"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "url", "crit", "b64", "zip", "enc", "cty", "epk", "p2c", "p2s"}
)


def check_header(header: Mapping[str, JSON], algorithms: frozenset[str]) -> tuple[str, str | None]:
    """The algorithm and the key id of an access token's header.

    Raises TokenRejected: a member that names a key or changes the signature's meaning (RFC 7515 sections 4.1.2 to
    4.1.11, RFC 7797), an algorithm outside the contract's list, or a `typ` other than `at+jwt` (RFC 9068 section 4).
    """
    if _FORBIDDEN & header.keys():
        raise TokenRejected("header_not_permitted", "the header has a member that is not accepted")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise TokenRejected("algorithm_not_permitted", "the algorithm is not one that the contract lists")
    kind = header.get("typ")
    if not isinstance(kind, str) or not kind.isascii() or kind.lower() not in _TYPES:
        raise TokenRejected("type_not_access_token", "the header's `typ` is not `at+jwt`")
    kid = header.get("kid")
    if "kid" in header and not (isinstance(kid, str) and KEY_ID.fullmatch(kid)):
        raise TokenRejected("unknown_key", "the key id is no plain text")
    return algorithm, kid if isinstance(kid, str) else None
