"""`entitlements authorize`: one decision from the command line, by the same path as a served one."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import click

from entitlements import strict_json
from entitlements.cli import render
from entitlements.contract import EARLIEST, LATEST
from entitlements.engine.policy_folder import policy_files
from entitlements.errors import DecisionUnavailable, JSONRefused, RequestInvalid, StartupFault, TokenRejected
from entitlements.model import JSON, AccessRequest, Action, Decision, Proof, Resource
from entitlements.terminal import paint, safe
from entitlements.web.authorize import MAX_BODY
from entitlements.web.schemas import proof_of
from entitlements.wiring import Service, build

_EXAMPLE = "2026-11-26T09:30:00+01:00"
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")


def parse_members(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> dict[str, JSON]:
    """`name=value` pairs; a value that is JSON counts as such, anything else as text."""
    members: dict[str, JSON] = {}
    for pair in values:
        name, separator, text = pair.partition("=")
        if not name or not separator:
            raise click.BadParameter(f"`{pair}` is not `name=value`")
        try:
            members[name] = strict_json.loads(text.encode())
        except JSONRefused:
            members[name] = text
    return members


def parse_instant(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """A time with its offset from UTC (RFC 3339), in seconds since the epoch, within what the service takes."""
    if value is None:
        return None
    if _INSTANT.fullmatch(value):
        with contextlib.suppress(ValueError):
            found = datetime.datetime.fromisoformat(value).timestamp()
            if EARLIEST <= found < LATEST + 1:
                return found
    raise click.BadParameter(
        f"`{safe(value)}` is not a time from 2000 to 2099 with its offset from UTC, such as `{_EXAMPLE}`"
    )


def _parse_resource(_context: click.Context, _parameter: click.Parameter, value: str) -> Resource:
    kind, separator, identifier = value.partition(":")
    if not kind or not separator or not identifier:
        raise click.BadParameter("must be `type:id`, for example `order:42`")
    return Resource(kind, identifier)


@click.command(
    epilog="\b\nExamples:\n"
    "  entitlements authorize --token-file token.jwt --audience https://orders.example.com \\\n"
    "    --action read --resource order:42 --property tenant=t_1\n"
    "  cat token.jwt | entitlements authorize --action refund --resource order:42 --format json\n"
    "  cat token.jwt | entitlements authorize --action read --resource order:42 --at 2026-11-28T21:00:00+01:00"
)
@render.token_option
@click.option("--action", required=True, help="Name of the action.")
@click.option("--resource", required=True, callback=_parse_resource, help="`type:id` of the resource.")
@click.option("--property", "properties", multiple=True, callback=parse_members, help="`name=value` of the resource.")
@click.option("--context", "context", multiple=True, callback=parse_members, help="`name=value` of the context.")
@click.option("--audience", default=None, help="The asking API's own audience; needed where more than one is pinned.")
@click.option("--proof-file", type=click.File("rb"), default=None, help="The body's `proof`, see `token prove`.")
@click.option("--at", default=None, callback=parse_instant, help="Decide as at this time: 2026-11-26T09:30:00+01:00.")
@click.option("--unlocked", is_flag=True, help="Decide by unlocked policies.")
@render.format_option
def authorize(  # noqa: PLR0913, PLR0917 - one parameter an option
    token_file: IO[bytes],
    action: str,
    resource: Resource,
    properties: dict[str, JSON],
    context: dict[str, JSON],
    audience: str | None,
    proof_file: IO[bytes] | None,
    at: float | None,
    unlocked: bool,
    form: str,
) -> None:
    """Decide one request and print the decision, its reasons and the rules that gave them.

    Exit code 0: allow, 3: deny or a token that is not accepted, 4: no decision can be made. The token is read from a
    file or standard input, never from an argument. The decision goes to the decision log unless that is stdout. With
    --at the time of the decision is the one given, for the token's `exp` as for `context.time`, and nothing is logged.
    """
    settings = replace(render.settings(), unlocked=unlocked)
    if at is not None or settings.decision_log == "stdout":
        settings = replace(settings, decision_log="/dev/null")
    request = AccessRequest(
        render.read_token(token_file), Action(action), replace(resource, properties=properties), context, audience
    )
    if proof_file is not None:
        request = replace(request, proof=_read_proof(proof_file))
    try:
        # A process of one question has no earlier one that could have used the proof.
        service = build(settings, proofs_since=0, clock=time.time if at is None else lambda: at)
        try:
            decision = service.pdp.decide(request)
        finally:
            service.close()
    except (StartupFault, DecisionUnavailable) as fault:
        render.fail(fault)
    except RequestInvalid as invalid:
        raise click.UsageError(_told(invalid, service)) from None
    except TokenRejected as refusal:
        _show_refusal(refusal, form)
        sys.exit(render.NO)
    _show(decision, service, settings.policies, form)
    sys.exit(0 if decision.allow else render.NO)


def _read_proof(file: IO[bytes]) -> Proof:
    """The `proof` of a request's body, as the service reads it, or a usage error."""
    try:
        return proof_of(strict_json.loads(file.read(MAX_BODY)))
    except JSONRefused as refused:
        raise click.UsageError(f"--proof-file: {refused.message}") from None
    except RequestInvalid as invalid:
        faults = "; ".join(f"`{path}` {text}" for path, messages in invalid.details.items() for text in messages)
        raise click.UsageError(f"--proof-file: {faults}") from None


def _told(invalid: RequestInvalid, service: Service) -> str:
    """What is wrong with the request; who is at the command line may see what is pinned."""
    if invalid.code in ("audience_required", "audience_unknown"):
        pinned = ", ".join(f"`{name}`" for name in service.catalog.audiences)
        why = "name the API that asks" if invalid.code == "audience_required" else "no contract is pinned for that name"
        return f"{why}: --audience is one of {pinned}"
    details = "; ".join(f"{path} {', '.join(faults)}" for path, faults in invalid.details.items())
    return f"{invalid.message}: {details}"


def _show_refusal(refusal: TokenRejected, form: str) -> None:
    if form == "json":
        render.as_json({"decision": False, "error": "invalid_token", "cause": refusal.code})
    else:
        click.echo(f"{paint('deny', 'red')}  the token is not accepted: {refusal.message} ({refusal.code})")


def _show(decision: Decision, service: Service, policies: Path, form: str) -> None:
    path = next(c.decision_path for c in service.catalog.contracts if c.ref == decision.contract)
    rules = [_where(policies, path, reason) for reason in decision.reasons]
    ref = decision.contract
    if form == "json":
        document: dict[str, Any] = {
            "decision": decision.allow,
            "reasons": [{"code": code, "rule": rule} for code, rule in zip(decision.reasons, rules, strict=True)],
            "obligations": [dict(obligation) for obligation in decision.obligations],
            "violations": [f"{v.claim} {v.message}" for v in decision.violations],
            "contract": f"{ref.name}@{ref.version}" if ref else None,
            "rule": "data." + path.replace("/", "."),
            "policy_revision": decision.policy_revision,
        }
        render.as_json(document)
        return
    verdict = paint("allow", "green") if decision.allow else paint("deny", "red")
    click.echo(f"{verdict}  by data.{path.replace('/', '.')}" + (f" under {ref.name}@{ref.version}" if ref else ""))
    for code, rule in zip(decision.reasons, rules, strict=True):
        click.echo(f"  reason      {code}" + (f"  ({rule})" if rule else ""))
    for violation in decision.violations:
        click.echo(f"  violation   {violation.claim} {violation.message} ({violation.code})")
    for obligation in decision.obligations:
        click.echo(f"  obligation  {safe(json.dumps(dict(obligation)))}")
    if decision.policy_revision:
        click.echo(f"  policy      {decision.policy_revision}")


def _where(policies: Path, decision_path: str, reason: str) -> str:
    """File and line of the rule that states a reason, where its code stands literally in the policy's package."""
    folder = decision_path.rpartition("/")[0]
    head = re.compile(rf'\breasons contains "{re.escape(reason)}"')
    try:
        files = policy_files(policies)
    except StartupFault:
        # An OPA server elsewhere decided; its policies are not here.
        return ""
    for name, content in files.items():
        if name.rpartition("/")[0] == folder and name.endswith(".rego"):
            for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
                if head.search(line):
                    return f"{policies / name}:{number}"
    return ""
