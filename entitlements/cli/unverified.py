"""What claims that no one verified break of a contract: for a person at a terminal, never for a decision."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from entitlements.contract import Contract, Refused, admit
from entitlements.model import JSON, VerifiedClaims, Violation


def unverified_violations(
    contract: Contract,
    values: Mapping[str, JSON],
    *,
    kind: str = "",
    introspected: bool = False,
    exchanged: bool = False,
    apart_from: Collection[str],
) -> tuple[Violation, ...]:
    """The violations of claims that are taken as if the contract's issuer had signed them for its audience, just now.

    kind: the type in the header; introspected: the claims stand in an introspection answer; exchanged: in a JWT that
    the issuer gave for another token; apart_from: codes of violations that are reported otherwise.
    """
    profile = contract.profile
    asked_by = (profile.opaque,) if (introspected or exchanged) and profile.opaque else ()
    claims = VerifiedClaims(
        values,
        profile.issuer,
        profile.audience,
        "" if introspected else profile.algorithms[0],
        0,
        0,
        kind,
        bound="cnf" in values,
        introspected=introspected,
        exchanged=exchanged,
        asked_by=asked_by,
    )
    admission = admit(contract, claims)
    found = admission.violations if isinstance(admission, Refused) else ()
    return tuple(one for one in found if one.code not in apart_from)
