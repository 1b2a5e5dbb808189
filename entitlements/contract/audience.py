"""Which API a caller asks for: it names its audience or its contract. Nothing is ever taken from the token.

A name that is not pinned must not be distinguished from one that is before a token holds: whoever has no token could
otherwise list the APIs that are served. So a wrong name is a value here, for the caller to raise after the token was
verified.
"""

from __future__ import annotations

from entitlements.contract.catalog import Catalog
from entitlements.contract.lock import Lock
from entitlements.errors import Fault, RequestInvalid, StartupFault

SETTING = "ENTITLEMENTS_DEFAULT_AUDIENCE"
_MALFORMED = "the request is malformed"


def asked_audience(
    catalog: Catalog, *, audience: str | None, contract: str | None, default: str
) -> str | RequestInvalid:
    """The pinned audience that a request is for, or why its names lead to none: to be given once a token holds.

    audience: as the body names it; contract: as the path names it; default: for whoever names neither, empty for none.
    Raises RequestInvalid `audience_required` where the caller was silent and has to choose.
    """
    if audience is None and contract is None:
        return _of_silent(catalog, default)
    found = [
        pinned
        for pinned, versions in catalog.by_audience.items()
        if audience in (None, pinned) and contract in (None, *(version.name for version in versions))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        return RequestInvalid(
            "audience_required",
            _MALFORMED,
            _because("the contract serves several audiences, so the body has to name one"),
        )
    known = audience in (None, *catalog.by_audience) and contract in (None, *(c.name for c in catalog.contracts))
    if known:
        return RequestInvalid(
            "audience_conflict", _MALFORMED, _because("is not the audience of the contract in the path")
        )
    return RequestInvalid(
        "audience_unknown", _MALFORMED, _because("no contract is pinned for the audience or by the name in the path")
    )


def check_default(catalog: Catalog, default: str) -> None:
    """Refuse a default that is not pinned. Raises StartupFault `default_audience_unknown`."""
    if default and default not in catalog.audiences:
        text = f"no contract is pinned for `{default}`; pinned are {_listed(catalog.audiences)}"
        fault = Fault("default_audience_unknown", text, path=SETTING)
        raise StartupFault("default_audience_unknown", "the default audience cannot be used", [fault])


def second_audience_warning(before: Lock | None, after: Lock) -> str:
    """What to say whoever adds a second audience, or nothing; `before` is None on a first lock."""
    if len(after.pins) < 2 or (before is not None and len(before.pins) > 1):
        return ""
    return (
        f"warning: {len(after.pins)} audiences are pinned now ({_listed(sorted(after.pins))}): a caller that names "
        "none is answered 400 `audience_required`. Let each API name its own (`audience` in the body, or "
        f"POST /authorize/<contract>), or set {SETTING} for those that cannot; "
        "entitlements_silent_callers_total counts them"
    )


def _of_silent(catalog: Catalog, default: str) -> str:
    """A default that is not pinned is not made up for: the only audience need not be the one that silence meant."""
    if default in catalog.audiences:
        return default
    if not default and len(catalog.audiences) == 1:
        return catalog.audiences[0]
    raise RequestInvalid(
        "audience_required",
        _MALFORMED,
        _because("name the API that asks: its audience here, or its contract as /authorize/<name>"),
    )


def _because(text: str) -> dict[str, list[str]]:
    return {"audience": [text]}


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
