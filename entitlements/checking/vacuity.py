"""What makes an answer say less than it seems to: no one is ever allowed, no reader can fire, policies never see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from entitlements.checking.usage import SEEN_KINDS, declared
from entitlements.contract import ALWAYS_DECLARED, Change, Contract, ContractFile
from entitlements.contract.registered import seen_as, seen_elsewhere
from entitlements.engine import Read
from entitlements.errors import Fault
from entitlements.proof import Access


def vacuous(access: Access, policies: tuple[Path, Path]) -> Iterator[Fault]:
    """A warning for each side that never allows anything, at the rule that decides, and for each changed claim of
    which no reader can fire.
    """
    for one in access.no_new_access.never_allows:
        folder = policies[0 if one.side == "before" else 1]
        yield Fault("never_allows", str(one), str(folder / one.file) if one.file else str(folder), one.line)
    for idle in access.no_new_access.never_fires:
        folder = policies[0 if idle.side == "before" else 1]
        yield Fault("never_fires", str(idle), str(folder / idle.file), idle.line)


def never_there(reads: Sequence[Read], contract: Contract, policies: Path) -> tuple[Fault, ...]:
    """Reads under `input.subject.claims` of what never is there by a contract: a registered claim, or one that it
    declares for other tokens alone. What waits for it can never hold.
    """
    found = {}
    for read in reads:
        name = read.path[2] if read.path[:2] == ("subject", "claims") and len(read.path) > 2 else ""
        if why := _why_absent(name, contract):
            text = f"`input.subject.claims.{name}` is never there, so what waits for it never holds: {why}"
            place = str(policies / read.file), read.line
            found[read.file, read.line, name] = (
                Fault("registered_claim_read", text, *place)
                if name in ALWAYS_DECLARED
                else Fault("claim_not_handed", text, *place)
            )
    return tuple(found.values())


def never_handed(found: Sequence[Change], old: Contract, new: ContractFile) -> tuple[Fault, ...]:
    """The claims that change and that policies see on neither side, so that the answers are about something else."""
    told = {}
    for claim in dict.fromkeys(change.claim for change in found if change.claim):
        sides = [side for side in (old, new.contract) if claim in side.claims]
        whys = [_why_absent(claim, side) for side in sides]
        if sides and all(whys) and not seen_elsewhere(claim):
            text = f"`{claim}` changes and is never handed to policies, so no answer depends on it: {whys[-1]}"
            path = f"claims.{claim}"
            told[claim] = Fault("claim_not_handed", text, new.file, new.lines.line_of(path), path)
    return tuple(told.values())


def _why_absent(name: str, contract: Contract) -> str:
    """Why policies never see a claim among the claims; empty where they may."""
    if name in declared(contract):
        return ""
    if name in ALWAYS_DECLARED:
        return seen_as(name)
    spec = contract.claims.get(name)
    if spec is None or {*spec.tokens} & {*SEEN_KINDS}:
        return ""
    return f"{contract.name}@{contract.version} declares it for {' and '.join(f'`{one}`' for one in spec.tokens)} alone"
