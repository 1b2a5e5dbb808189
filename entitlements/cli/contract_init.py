"""`entitlements contract init`: a draft of a contract from sample tokens."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import click

from entitlements import strict_json
from entitlements.algorithms import SUPPORTED_ALGORITHMS
from entitlements.cli import render
from entitlements.cli.init_trial import chosen, trial
from entitlements.contract import Contract, DraftHead, draft, parse_contract
from entitlements.errors import ContractsInvalid, JSONRefused
from entitlements.files import write_atomically
from entitlements.model import JSON, TokenRules
from entitlements.profiles import PROFILES, Sample, drafted_rules, is_noise, other_kind, recognised
from entitlements.schema_files import editor_line, schema_name, schema_text
from entitlements.token import inspect

_MOST_SAMPLES = 100_000
_A_DAY = 86_400


@click.command(
    epilog="\b\nExamples:\n  entitlements contract init documents < tokens.txt\n"
    "  entitlements contract init documents --audience https://documents.example.com \\\n"
    "    --out contracts/documents/1.0.0.yaml claims.jsonl"
)
@click.argument("name")
@click.argument("samples", type=click.File("rb"), default="-")
@click.option("--profile", "named", type=click.Choice([*PROFILES]), help="Where the samples fit several, or by will.")
@click.option("--issuer", help="Where the samples name none or several.")
@click.option("--audience", help="Where the samples name none or several.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A new file, instead of the screen; its schema for editors beside it.",
)
def init(
    name: str, samples: IO[bytes], named: str | None, issuer: str | None, audience: str | None, out: Path | None
) -> None:
    """Draft contract NAME from SAMPLES: one access token or one JSON object of claims a line.

    Types, choices, limits and what is optional are taken from the samples; personal data is guessed and marked for
    review, and none of its values is written. Where the samples fit profiles of several servers, or name several
    audiences, you are asked, or have to say which. The draft is tried on its own samples, and what it does not admit
    is told. Signatures are NOT verified. The draft has to be reviewed line by line.
    """
    if out is not None and out.exists():
        raise click.UsageError(f"`{out}` exists already")
    found = _read(samples)
    claims = [sample.claims for sample in found]
    headers = [sample.header for sample in found if sample.header is not None]
    profile = named or chosen(recognised(found), "profile")
    issuer = issuer or _one(claims, "iss", "--issuer")
    head = DraftHead(
        name,
        issuer,
        audience or _audience(claims, issuer, profile or "rfc9068"),
        tuple(sorted({str(h.get("alg")) for h in headers} & set(SUPPORTED_ALGORITHMS))) or ("ES256",),
        _lifetime(claims),
        _rules(profile, claims),
    )
    tried = trial(_parsed(name, draft(head, claims)), found)
    click.echo(f"{tried.admitted} of {len(found)} samples are admitted by the draft", err=True)
    head = replace(head, notes=tuple(_notes(profile, head, tried.refused, guessed=not headers)))
    text = draft(head, claims)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = out.parent.parent if out.parent.name == name else out.parent
        with out.open("x", encoding="utf-8") as file:
            file.write(editor_line(out, folder, "contract") + text)
        write_atomically(folder / schema_name("contract"), schema_text("contract").encode())
    except OSError as error:
        raise click.ClickException(f"cannot write `{out}`: {os.strerror(error.errno or 0).lower()}") from None
    click.echo(f"wrote {out}: review it, then `entitlements contract lint`", err=True)


def _parsed(name: str, text: str) -> Contract:
    try:
        return parse_contract(text, Path(name) / "1.0.0.yaml")
    except ContractsInvalid as invalid:
        render.fail(invalid)


def _rules(profile: str, claims: Sequence[Mapping[str, JSON]]) -> TokenRules:
    if not profile:
        return TokenRules()
    clients = {client for sample in claims for client in drafted_rules(profile, sample).audience_clients}
    return replace(drafted_rules(profile, claims[0]), audience_clients=tuple(sorted(clients)))


def _notes(profile: str, head: DraftHead, refused: Mapping[str, int], *, guessed: bool) -> Iterator[str]:
    if profile and profile != "rfc9068":
        yield f"tokens of `{profile}`, as it seems; without this profile (as `rfc9068`) they are not accepted"
    if guessed:
        yield "no sample has a header: profile and algorithms are guesses"
    if head.max_lifetime > _A_DAY:
        yield f"tokens live up to {head.max_lifetime} seconds: whoever steals one has it as long"
    for reason, count in refused.items():
        click.echo(f"not accepted as they are: {count} of the samples: {reason}", err=True)
        yield f"{count} of the samples are not accepted as they are: {reason}; see docs/identity-providers.md"


def _read(samples: IO[bytes]) -> list[Sample]:
    """The samples. No message quotes a line."""
    found: list[Sample] = []
    for number, line in enumerate(samples, 1):
        text = line.strip()
        if not text:
            continue
        if len(found) >= _MOST_SAMPLES:
            raise click.UsageError(f"there are more than {_MOST_SAMPLES} samples")
        if text.startswith(b"{"):
            try:
                sample = Sample(None, strict_json.loads(text, max_depth=16))  # type: ignore[arg-type]
            except JSONRefused as refused:
                raise click.UsageError(f"line {number}: {refused.message}") from None
            found.append(_access_token(number, sample))
            continue
        seen = inspect(text.decode("latin-1"))
        if seen.header is None or seen.payload is None:
            opaque = "; of an opaque token, give the claims of its introspection answer, without `active`"
            why = seen.refusals[0].message if seen.refusals else "not a token"
            raise click.UsageError(f"line {number}: {why}{opaque if seen.header is None else ''}")
        found.append(_access_token(number, Sample(seen.header, seen.payload)))
    if not found:
        raise click.UsageError("there is no sample: give one token or one JSON object a line")
    return found


def _access_token(number: int, sample: Sample) -> Sample:
    kind = other_kind(sample)
    if kind:
        raise click.UsageError(f"line {number}: this is {kind}, a contract is drafted from access tokens")
    return sample


def _one(claims: Sequence[Mapping[str, JSON]], name: str, option: str) -> str:
    found = {json.dumps(sample[name]) for sample in claims if name in sample}
    value = json.loads(found.pop()) if len(found) == 1 else None
    if not isinstance(value, str):
        raise click.UsageError(f"the samples do not agree on one `{name}`: name it with {option}")
    return value


def _audience(claims: Sequence[Mapping[str, JSON]], issuer: str, profile: str) -> str:
    """The audience that all samples name, and that no token for another API has; of several the one that is chosen."""
    common: set[str] | None = None
    for sample in claims:
        value = sample.get("aud")
        names = {name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)}
        names = {name for name in names if not is_noise(name, issuer, sample, profile)}
        common = names if common is None else common & names
    if not common:
        raise click.UsageError(
            "no `aud` of an API stands in every sample (the client, what may be its name, the issuer, and the server's "
            "own APIs such as `account` or userinfo are none): have the server issue one, and name it with --audience"
        )
    return chosen(tuple(sorted(common)), "audience")


def _lifetime(claims: Sequence[Mapping[str, JSON]]) -> int:
    """The longest lifetime that was seen, in whole minutes and 30 days at most; an hour where none was."""
    longest = 0.0
    for sample in claims:
        end, start = sample.get("exp"), sample.get("iat")
        if isinstance(end, (int, float)) and isinstance(start, (int, float)):
            longest = max(longest, end - start)
    return min(30 * _A_DAY, 60 * math.ceil(longest / 60)) if longest > 0 else 3600
