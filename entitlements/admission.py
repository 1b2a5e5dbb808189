"""Which version of an audience's contract a token's claims are admitted by."""

from __future__ import annotations

from entitlements.contract import Admitted, Catalog, Contract, Refused, admit
from entitlements.errors import TokenRejected
from entitlements.model import VerifiedClaims


def admission_of(catalog: Catalog, claims: VerifiedClaims) -> tuple[Contract, Admitted | Refused]:
    """The first version that admits the claims, the pinned one before older ones; else the pinned refusal."""
    first: tuple[Contract, Admitted | Refused] | None = None
    for contract in catalog.candidates(claims.audience):
        admission = admit(contract, claims)
        if isinstance(admission, Admitted):
            return contract, admission
        first = first or (contract, admission)
    if first is None:
        raise TokenRejected("audience_mismatch", "no contract is pinned for the audience")
    return first
