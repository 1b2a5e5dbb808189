"""`entitlements issuer`: what an authorization server says of itself, held against contracts."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import click

from entitlements.cli import render
from entitlements.cli.contract_pick import named
from entitlements.contract import Contract, load_catalog
from entitlements.errors import KeysUnavailable, StartupFault
from entitlements.issuer_check import FAILS, HOLDS, Described, IssuerFinding, honours, judge_issuer
from entitlements.settings import Settings
from entitlements.terminal import paint, safe
from entitlements.token import DiscoveredAddress, FixedAddress, KeyAddress, KeySet, parse_key_set

_TIMEOUT = 10.0
_COLOURS = {HOLDS: "green", FAILS: "red"}


@click.group(epilog="\b\nExample:\n  entitlements issuer check https://login.example.com/realms/acme")
def issuer() -> None:
    """See whether an authorization server honours the contracts."""


@issuer.command(
    epilog="\b\nExamples:\n"
    "  entitlements issuer check https://login.example.com/realms/acme\n"
    "  entitlements issuer check https://login.example.com/realms/acme --contract orders"
)
@click.argument("url")
@click.option("--contract", "name", default=None, help="Hold it against this contract. [default: all of the issuer]")
@render.format_option
def check(url: str, name: str | None, form: str) -> None:
    """Fetch metadata and key set of the issuer URL, and say what keeps its tokens from being accepted.

    URL is the issuer as contracts pin it. Nothing is sent to the server but these requests. Exit code 3: something has
    to be set on the server, or in the contract. Exit code 4: the server does not answer.
    """
    settings = render.settings()
    try:
        address = DiscoveredAddress(url, hosts=settings.issuer_hosts.get(url, ()))
    except StartupFault as fault:
        raise click.UsageError(f"the issuer cannot be asked: {fault.message}") from None
    contracts: Sequence[Contract | None] = _contracts(settings, url, name) or [None]
    described = _describe(address, settings.keys.get(url, ""))
    found = [(one, judge_issuer(url, described, one)) for one in contracts]
    if form == "json":
        render.as_json({"issuer": url, "honours": _all(found), "contracts": [_as_json(*one) for one in found]})
    else:
        _print(url, found)
    silent = described.keys is None and "cannot be fetched" in described.keys_problem + described.metadata_problem
    sys.exit(0 if _all(found) else render.NO_ANSWER if silent else render.NO)


def _contracts(settings: Settings, url: str, name: str | None) -> Sequence[Contract]:
    """The contract that is named, locked or not, or all that are served of the issuer; none where none are there."""
    if name is not None:
        return [named(settings.contracts, name)]
    if not (settings.contracts / "contracts.lock").exists():
        return []
    try:
        catalog = load_catalog(settings.contracts)
    except StartupFault as fault:
        render.fail(fault)
    return [one for one in catalog.contracts if one.profile.issuer == url]


def _describe(address: DiscoveredAddress, location: str) -> Described:
    """What the server says of itself; location: where the deployment says that the key set is."""
    now = time.monotonic()
    by_hand = location if location.startswith(("https://", "http://")) else ""
    keys, keys_problem = _read(address, now)
    metadata = address.metadata(now)
    metadata_problem = "" if metadata else keys_problem
    if by_hand:
        keys, keys_problem = _read(FixedAddress(by_hand), now)
    elif metadata is None:
        keys_problem = "no metadata says where it is"
    return Described(metadata, metadata_problem, keys, keys_problem, _introspection(address, now), by_hand)


def _read(address: KeyAddress, now: float) -> tuple[KeySet | None, str]:
    try:
        return parse_key_set(address.read(now, _TIMEOUT)), ""
    except KeysUnavailable as error:
        return None, error.message


def _introspection(address: DiscoveredAddress, now: float) -> str:
    try:
        address.endpoint("introspection_endpoint", now)
    except KeysUnavailable as error:
        return error.message
    return ""


def _all(found: Sequence[tuple[Contract | None, Sequence[IssuerFinding]]]) -> bool:
    return all(honours(findings) for _, findings in found)


def _as_json(contract: Contract | None, findings: Sequence[IssuerFinding]) -> dict[str, object]:
    return {
        "contract": f"{contract.name}@{contract.version}" if contract else None,
        "findings": [
            {"check": one.check, "state": one.state, "text": one.text, "remedy": one.remedy} for one in findings
        ],
    }


def _print(url: str, found: Sequence[tuple[Contract | None, Sequence[IssuerFinding]]]) -> None:
    for contract, findings in found:
        click.echo(
            f"{safe(url)}  {f'{contract.name}@{contract.version}' if contract else 'no contract of this issuer'}"
        )
        for one in findings:
            state = paint(one.state.ljust(8), _COLOURS.get(one.state, "yellow"))
            click.echo(f"  {state} {one.check.ljust(13)} {safe(one.text)}")
            if one.remedy and one.state != HOLDS:
                click.echo(f"  {' ' * 22} set: {one.remedy}")
