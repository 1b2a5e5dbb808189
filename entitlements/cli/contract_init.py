"""`entitlements contract init`: a draft of a contract from sample tokens."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import click

from entitlements import strict_json
from entitlements.cli import render
from entitlements.contract import DraftHead, draft, parse_contract
from entitlements.errors import ContractsInvalid, JSONRefused
from entitlements.model import JSON
from entitlements.token import SUPPORTED_ALGORITHMS, inspect

_MOST_SAMPLES = 100_000


@click.command(
    epilog="\b\nExamples:\n  entitlements contract init documents < tokens.txt\n"
    "  entitlements contract init documents --audience https://documents.example.com \\\n"
    "    --out contracts/documents/1.0.0.yaml claims.jsonl"
)
@click.argument("name")
@click.argument("samples", type=click.File("rb"), default="-")
@click.option("--issuer", help="Where the samples name none or several.")
@click.option("--audience", help="Where the samples name none or several.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A new file, instead of the screen.")
def init(name: str, samples: IO[bytes], issuer: str | None, audience: str | None, out: Path | None) -> None:
    """Draft contract NAME from SAMPLES: one access token or one JSON object of claims a line.

    Types, choices, limits and what is optional are taken from the samples; personal data is guessed and marked for
    review, and none of its values is written. Signatures are NOT verified. The draft has to be reviewed line by line.
    """
    if out is not None and out.exists():
        raise click.UsageError(f"`{out}` exists already")
    headers, claims = _read(samples)
    head = DraftHead(
        name,
        issuer or _one(claims, "iss", "--issuer"),
        audience or _audience(claims),
        tuple(sorted({str(h.get("alg")) for h in headers} & set(SUPPORTED_ALGORITHMS))) or ("ES256",),
        _lifetime(claims),
    )
    text = draft(head, claims)
    try:
        parse_contract(text, Path(name) / "1.0.0.yaml")
    except ContractsInvalid as invalid:
        render.fail(invalid)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.ClickException(f"cannot write `{out}`: {os.strerror(error.errno or 0).lower()}") from None
    click.echo(f"wrote {out}: review it, then `entitlements contract lint`", err=True)


def _read(samples: IO[bytes]) -> tuple[list[Mapping[str, JSON]], list[Mapping[str, JSON]]]:
    """The headers (of what was a token) and the claims. No message quotes a line."""
    headers: list[Mapping[str, JSON]] = []
    claims: list[Mapping[str, JSON]] = []
    for number, line in enumerate(samples, 1):
        text = line.strip()
        if not text:
            continue
        if len(claims) >= _MOST_SAMPLES:
            raise click.UsageError(f"there are more than {_MOST_SAMPLES} samples")
        if text.startswith(b"{"):
            try:
                found = strict_json.loads(text, max_depth=16)
            except JSONRefused as refused:
                raise click.UsageError(f"line {number}: {refused.message}") from None
            claims.append(found)  # type: ignore[arg-type]
            continue
        seen = inspect(text.decode("latin-1"))
        if seen.header is None or seen.payload is None:
            raise click.UsageError(f"line {number}: {seen.refusals[0].message if seen.refusals else 'not a token'}")
        headers.append(seen.header)
        claims.append(seen.payload)
    if not claims:
        raise click.UsageError("there is no sample: give one token or one JSON object a line")
    return headers, claims


def _one(claims: Sequence[Mapping[str, JSON]], name: str, option: str) -> str:
    found = {json.dumps(sample[name]) for sample in claims if name in sample}
    value = json.loads(found.pop()) if len(found) == 1 else None
    if not isinstance(value, str):
        raise click.UsageError(f"the samples do not agree on one `{name}`: name it with {option}")
    return value


def _audience(claims: Sequence[Mapping[str, JSON]]) -> str:
    """The one audience that all samples name."""
    common: set[str] | None = None
    for sample in claims:
        value = sample.get("aud")
        names = {name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)}
        common = names if common is None else common & names
    if not common or len(common) != 1:
        raise click.UsageError("the samples do not agree on one `aud`: name it with --audience")
    return common.pop()


def _lifetime(claims: Sequence[Mapping[str, JSON]]) -> int:
    """The longest lifetime that was seen, in whole minutes; an hour where none was."""
    longest = 0.0
    for sample in claims:
        end, start = sample.get("exp"), sample.get("iat")
        if isinstance(end, (int, float)) and isinstance(start, (int, float)):
            longest = max(longest, end - start)
    return min(86400, 60 * math.ceil(longest / 60)) if longest > 0 else 3600
