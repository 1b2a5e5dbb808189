"""Which contract a token is held against: the one that is named, or the served one that it is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from entitlements.cli import render
from entitlements.cli.contract_pick import named
from entitlements.contract import Catalog, Contract, load_catalog
from entitlements.errors import StartupFault
from entitlements.model import JSON
from entitlements.profiles import client_of
from entitlements.settings import Settings


def candidates(settings: Settings, name: str | None, payload: Mapping[str, JSON]) -> tuple[Contract, ...]:
    """The contract of a name, served or not; or the versions that serve the token's audience, the pinned one first.

    A token for no audience of ours is held against the one contract of its issuer, where that is one.
    """
    if name is not None:
        return (named(settings.contracts, name),)
    catalog = _catalog(settings)
    audience = payload.get("aud")
    for entry in audience if isinstance(audience, list) else [audience]:
        if isinstance(entry, str) and catalog.candidates(entry):
            return catalog.candidates(entry)
    issued = [one for one in catalog.contracts if payload.get("iss") == one.profile.issuer]
    for contract in issued:
        rules = contract.profile.rules
        if client_of(rules, payload) in rules.audience_clients:
            return catalog.candidates(contract.profile.audience)
    audiences = {one.profile.audience for one in issued}
    return catalog.candidates(audiences.pop()) if len(audiences) == 1 else ()


def of_issuer(settings: Settings, name: str | None, claims: Mapping[str, JSON]) -> Contract:
    """The contract of a name, or the only served one, of the issuer that the claims name where they name one.

    Ends with a usage error where there are several.
    """
    if name is not None:
        return named(settings.contracts, name)
    served = _pinned(_catalog(settings))
    return _one(one for one in served if claims.get("iss", one.profile.issuer) == one.profile.issuer)


def of_opaque(settings: Settings, name: str | None, text: str) -> Contract | None:
    """The contract of a name, or the only served one, that permits this opaque token; None where none does.

    Ends with a usage error where several do: a token is sent to one issuer, and never to one by a guess.
    """
    if name is None:
        try:
            found = _pinned(load_catalog(settings.contracts))
        except StartupFault:
            return None
    else:
        found = [named(settings.contracts, name)]
    permitting = [one for one in found if one.profile.opaque and text.startswith(one.profile.opaque.prefix)]
    return _one(permitting) if text and permitting else None


def _pinned(catalog: Catalog) -> list[Contract]:
    return [catalog.candidates(audience)[0] for audience in catalog.audiences]


def _one(found: Iterable[Contract]) -> Contract:
    contracts = list(found)
    if len(contracts) != 1:
        known = ", ".join(f"`{one.name}`" for one in contracts) or "none of the served ones fits"
        raise click.UsageError(f"name the contract with --contract: {known}")
    return contracts[0]


def _catalog(settings: Settings) -> Catalog:
    try:
        return load_catalog(settings.contracts)
    except StartupFault as fault:
        render.fail(fault)
