"""What `token inspect` found, as text or JSON. Values of claims marked pii or secret are not shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from entitlements.cli import render
from entitlements.contract import ALWAYS_DECLARED, ClaimSpec, Contract, known_in
from entitlements.model import JSON, Violation
from entitlements.profiles import GENERIC, Sample, looks_like, remedy, topic_of
from entitlements.terminal import paint, safe
from entitlements.token import Objection


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason not to accept a token: code, the claim where it breaks the contract, the text, and what to set."""

    code: str
    claim: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """A token or an answer held against a contract.

    kind: of the contract's kinds of token; header: None for an answer that is no JWT; signature: its state in words;
    genuine: whether the signature holds, or nothing had to be signed; contract: None where none is for it.
    """

    kind: str
    contract: Contract | None
    header: Mapping[str, JSON] | None = field(repr=False)
    claims: Mapping[str, JSON] = field(repr=False)
    signature: str
    genuine: bool
    reasons: tuple[Reason, ...]

    @property
    def accepted(self) -> bool:
        """Whether nothing speaks against it."""
        return self.genuine and self.contract is not None and not self.reasons


def reasons_of(
    contract: Contract | None, sample: Sample, found: Iterable[Objection], violations: Iterable[Violation]
) -> tuple[Reason, ...]:
    """Each reason once, with what to set on the server of the contract's profile, else on what the token looks like."""
    name = contract.profile.rules.name if contract else ""
    server = name if name not in ("", "rfc9068", GENERIC) else looks_like(sample)
    told = [Reason(one.code, "", one.text, remedy(server, one.topic)) for one in found]
    told += [Reason(one.code, one.claim, one.message, remedy(server, topic_of(one.code))) for one in violations]
    return tuple(dict.fromkeys(told))


def show(inspected: Inspected, form: str) -> None:
    """Print it. form: `text` or `json`."""
    if form == "json":
        render.as_json(_document(inspected))
    else:
        _show_text(inspected)


def _document(inspected: Inspected) -> dict[str, Any]:
    contract, reasons = inspected.contract, inspected.reasons
    refusals = [f"{one.message} ({one.code})" for one in reasons if not one.claim]
    return {
        "accepted": inspected.accepted,
        "kind": inspected.kind,
        "signature": inspected.signature,
        "refusal": refusals[0] if refusals else None,
        "refusals": refusals,
        "contract": f"{contract.name}@{contract.version}" if contract else None,
        "header": inspected.header,
        "claims": {
            claim: {
                "value": None if _hidden(contract, claim) else value,
                "contract": _note(contract, claim, inspected.kind),
            }
            for claim, value in inspected.claims.items()
        },
        "violations": [{"code": one.code, "claim": one.claim, "message": one.message} for one in reasons if one.claim],
        "reasons": [
            {"code": one.code, "claim": one.claim or None, "message": one.message, "remedy": one.remedy}
            for one in reasons
        ],
    }


def _show_text(inspected: Inspected) -> None:
    contract = inspected.contract
    click.echo(f"signature   {inspected.signature}")
    click.echo(f"contract    {f'{contract.name}@{contract.version}' if contract else 'none for its audience'}")
    if inspected.header is not None:
        click.echo(f"header      {safe(json.dumps(inspected.header))}")
    click.echo("\n" + render.table(["claim", "value", "contract"], _rows(inspected)) + "\n")
    for one in inspected.reasons:
        word = "violation" if one.claim else "refused"
        text = f"{one.claim} {one.message}" if one.claim else one.message
        click.echo(f"{paint(word, 'red')}{' ' * (12 - len(word))}{text} ({one.code})")
        click.echo(f"  remedy    {one.remedy}")
    if contract and not any(one.claim for one in inspected.reasons):
        click.echo("claims      conform to the contract")
    if inspected.accepted:
        click.echo(f"{paint('accepted', 'green')}    nothing speaks against it")


def _hidden(contract: Contract | None, claim: str) -> bool:
    """Whether a claim's value must not be shown; of an unknown contract nothing is known to be harmless."""
    if claim in ("jwt", "phantom_token"):
        return True
    if contract is None:
        return claim not in ALWAYS_DECLARED
    name = "client_id" if claim in contract.profile.rules.client else claim
    return any(spec.sensitivity in ("pii", "secret") for spec in contract.claims.values() if _top(spec) & {name, claim})


def _top(spec: ClaimSpec) -> set[str]:
    """The names at the top of a token or an answer under which a claim stands."""
    how = spec.extraction
    return {spec.name, how.path(spec.name)[0], how.path(spec.name, introspected=True)[0]}


def _note(contract: Contract | None, claim: str, kind: str) -> str:
    """What the contract says of a claim in a token of this kind."""
    if contract is None:
        return "registered" if claim in ALWAYS_DECLARED else "undeclared"
    asked = kind == "introspection"
    specs = contract.claims.values()
    read = [spec for spec in specs if spec.extraction.path(spec.name, introspected=asked)[0] == claim]
    own = [spec for spec in read if spec.extraction.path(spec.name, introspected=asked) == (spec.name,)]
    if read and not own:
        return f"read for {', '.join(spec.name for spec in read)}"
    if not own:
        return "registered" if claim in _known(contract, kind) else "undeclared"
    (spec,) = own
    belongs = kind in spec.tokens or (asked and "access_token" in spec.tokens)
    if not belongs and claim not in ALWAYS_DECLARED:
        return f"undeclared here, belongs to {', '.join(spec.tokens)}, {spec.sensitivity}"
    return f"declared, {spec.sensitivity}"


def _known(contract: Contract, kind: str) -> frozenset[str]:
    bound = contract.profile.permits(bound=True)
    return known_in(contract, kind) - (frozenset() if bound or kind != "access_token" else {"cnf"})


def _rows(inspected: Inspected) -> list[list[str]]:
    rows = []
    for claim, value in inspected.claims.items():
        hidden = _hidden(inspected.contract, claim)
        text = "(not shown)" if hidden else safe(json.dumps(value, ensure_ascii=False))
        note = _note(inspected.contract, claim, inspected.kind)
        rows.append([safe(claim), text if len(text) <= 60 else text[:57] + "...", note])
    return rows
