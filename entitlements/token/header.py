"""What a token's header may say (RFC 7515, RFC 8725, RFC 9068 section 4).

The header is written by whoever sends the token. It may name a key of the pinned issuer and nothing else: no member
of it ever brings, fetches or describes a key.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from entitlements.errors import TokenRejected
from entitlements.model import JSON
from entitlements.profiles import header_type
from entitlements.token.codes import Refusal, refuse

# A key and addresses of keys (RFC 8725 section 3.10), extensions that change what is signed (RFC 7515 section 4.1.11,
# RFC 7797 section 7), and what belongs to encryption or nesting (RFC 7516, RFC 7519 section 5.2). Certificates and
# their thumbprints (`x5c`, `x5t`, `x5t#S256`) move no trust as long as no one reads them, and Entra and ADFS send them.
NOT_PERMITTED = ("jwk", "jku", "x5u", "url", "crit", "b64", "zip", "enc", "cty")
KEY_ID = re.compile(r"[\x20-\x7e]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CheckedHeader:
    """What a header may decide: which algorithm, which key, and whether it is an access token.

    kid: None where the header has none; type: as `profiles.header_type` spells it.
    """

    algorithm: str
    kid: str | None
    type: str


def check_header(header: Mapping[str, JSON], algorithms: Collection[str], types: Collection[str]) -> CheckedHeader:
    """Check every header member that means anything.

    algorithms: the permitted `alg` names, compared octet by octet (RFC 8725 section 3.1); types: the permitted `typ`,
    see `TokenRules.header_types`.
    Raises TokenRejected algorithm_not_permitted, type_not_access_token or header_not_permitted.
    """
    for refusal in header_refusals(header, algorithms, types):
        raise refusal
    kid = header.get("kid")
    return CheckedHeader(str(header["alg"]), None if kid is None else str(kid), header_type(header) or "")


def header_refusals(
    header: Mapping[str, JSON], algorithms: Collection[str], types: Collection[str]
) -> Iterator[TokenRejected]:
    """Every reason why `check_header` refuses a header, the one that it raises first; none where it does not."""
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        yield refuse(Refusal.ALGORITHM_NOT_PERMITTED, "the header's `alg` is not permitted")
    for name in NOT_PERMITTED:
        if name in header:
            yield refuse(Refusal.HEADER_NOT_PERMITTED, f"the header member `{name}` is not permitted")
    kind = header_type(header)
    if kind is None or kind not in types:
        yield refuse(Refusal.TYPE_NOT_ACCESS_TOKEN, "the header's `typ` is not that of an access token")
    kid = header.get("kid", "-")
    if not isinstance(kid, str) or not KEY_ID.fullmatch(kid):
        yield refuse(Refusal.HEADER_NOT_PERMITTED, "the header's `kid` is not 1 to 256 printable ASCII characters")
