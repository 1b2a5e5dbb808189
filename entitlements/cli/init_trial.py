"""What `contract init` asks and tries: one of several choices, and the draft on its own samples."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from entitlements.cli.unverified import unverified_violations
from entitlements.contract import Contract
from entitlements.model import JSON
from entitlements.profiles import Sample, header_type
from entitlements.terminal import safe
from entitlements.token import objections

_MOST_SHOWN = 16
_TOLD_BY_THE_TOKEN = ("profile_mismatch", "binding_not_permitted", "issuer_not_permitted", "lifetime_too_long")


@dataclass(frozen=True, slots=True)
class Trial:
    """How a draft judges its samples. refused: for each reason the number of samples that it is one for."""

    admitted: int
    refused: Mapping[str, int]


def chosen(choices: Sequence[str], what: str) -> str:
    """The only choice, or the one that a person at the terminal makes; empty where there is none.

    what: the option that says it. Ends with a usage error where no one can be asked: standard input is no terminal.
    """
    if len(choices) < 2:
        return choices[0] if choices else ""
    shown = ", ".join(f"`{safe(choice)}`" for choice in choices[:_MOST_SHOWN])
    if not sys.stdin.isatty():
        raise click.UsageError(f"the samples fit more than one {what}: name it with --{what}, one of {shown}")
    click.echo(f"the samples fit more than one {what}: {shown}", err=True)
    return str(click.prompt(what, type=click.Choice([*choices]), show_choices=False, err=True))


def trial(contract: Contract, samples: Sequence[Sample]) -> Trial:
    """Judge the samples by the drafted contract, each at a moment within its own times. Signatures are not verified."""
    found = [[*dict.fromkeys(_reasons(contract, sample))] for sample in samples]
    return Trial(found.count([]), Counter(reason for reasons in found for reason in reasons))


def _reasons(contract: Contract, sample: Sample) -> Iterator[str]:
    profile = contract.profile
    header = sample.header if sample.header is not None else _header(contract)
    now = _within(sample.claims)
    for objection in objections(header, sample.claims, profile, now, 0):
        yield objection.text
    kind = header_type(header) or ""
    for violation in unverified_violations(contract, sample.claims, kind=kind, apart_from=_TOLD_BY_THE_TOKEN):
        yield f"{violation.claim} {violation.message}"


def _header(contract: Contract) -> Mapping[str, JSON]:
    """A header that fits, for claims whose header is not known."""
    kind = contract.profile.rules.header_types[0]
    return {"alg": contract.profile.algorithms[0], **({"typ": kind} if kind else {})}


def _within(claims: Mapping[str, JSON]) -> float:
    """A moment at which a token is valid by its own words, as far as it has them."""
    times = [value for name in ("iat", "nbf") if isinstance(value := claims.get(name), int | float)]
    end = claims.get("exp")
    begun = float(max(times, default=0))
    return begun if begun or not isinstance(end, int | float) else max(float(end) - 1, 0.0)
