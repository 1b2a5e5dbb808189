"""Which claims policies read that no contract declares, and which are declared and read by none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from entitlements.contract import (
    ACT,
    LOCK_NAME,
    Contract,
    ContractFile,
    load_file,
    read_lock,
    versions,
)
from entitlements.engine import PolicyReading, Read
from entitlements.engine.policy_module import Constant
from entitlements.errors import Fault

SEEN_KINDS = ("access_token", "introspection")
"""The kinds of token of which policies see claims."""


def newest(folder: Path) -> list[Contract]:
    """The newest version of each contract. Raises ContractsInvalid."""
    return [load_file(paths[-1]).contract for paths in versions(folder).values()]


def declared_by(folder: Path) -> list[Contract]:
    """The newest version of each contract, and those that the lock serves: a policy may read what either declares.

    Raises ContractsInvalid.
    """
    pins = read_lock(folder).pins.values() if (folder / LOCK_NAME).exists() else ()
    places = {(pin.contract, version) for pin in pins for version in (pin.version, *pin.also)}
    return [
        *newest(folder),
        *(load_file(folder / name / f"{version}.yaml").contract for name, version in sorted(places)),
    ]


def declared_once(folder: Path, claim: str) -> str:
    """What to say of a claim that versions declare of which none is the newest or served; of others nothing.

    Raises ContractsInvalid.
    """
    files = [load_file(path).contract for paths in versions(folder).values() for path in paths]
    older = [f"{one.name}={one.version}" for one in files if claim in declared(one)]
    if not older or any(claim in declared(one) for one in newest(folder)):
        return ""
    return (
        f": only older versions do ({', '.join(older)}); take the read out, or serve one of them beside the newest "
        f"with `entitlements contract lock --also {older[-1]}`"
    )


def declared(contract: Contract) -> frozenset[str]:
    """The claims that policy can see under a contract: of registered ones times at most."""
    return frozenset(
        name for name, spec in contract.claims.items() if "access_token" in spec.tokens and name not in contract.unseen
    )


def claim_of(read: Read) -> str:
    """The claim that is read; `*` where any may be; nothing where none is."""
    if read.path[:2] == ("subject", "claims") and len(read.path) > 2:
        return read.path[2]
    if read.path[:2] == ("subject", "actor"):
        return ACT
    return "*" if read.whole and read.path in ((), ("subject",), ("subject", "claims")) else ""


def undeclared(reading: PolicyReading, contracts: Sequence[Contract]) -> list[Read]:
    """Reads of a claim that no contract declares whose decision can depend on the file.

    What no decision depends on may read what any contract declares.
    """
    needed = [(reading.needed(contract.decision_path), declared(contract)) for contract in contracts]
    return [
        read for read in reading.reads if claim_of(read) not in ("", "*") and claim_of(read) not in _names(read, needed)
    ]


def unused(reading: PolicyReading, file: ContractFile) -> list[Fault]:
    """What a contract declares for nothing: claims that no rule and no consumer needs, scopes that no rule names.

    A scope whose name a policy computes is not seen to be named: that is why this is a warning.
    """
    contract = file.contract
    read = {claim_of(one) for one in reading.reads}
    relied_on = {name for consumer in contract.consumers if consumer.reads(SEEN_KINDS) for name in consumer.relies_on}
    claims = () if "*" in read else sorted(declared(contract) - read - relied_on)
    named = {value for _, value in frozenset[Constant]().union(*reading.constants.values())}

    def line(path: str) -> int:
        return file.lines.line_of(path)

    return [
        *(
            Fault(
                "claim_unused", f"no rule reads the claim `{name}`", file.file, line(f"claims.{name}"), f"claims.{name}"
            )
            for name in claims
        ),
        *(
            Fault(
                "scope_unused", f"no rule names the scope `{name}`", file.file, line(f"scopes.{name}"), f"scopes.{name}"
            )
            for name in sorted(contract.scopes.keys() - named)
        ),
    ]


def _names(read: Read, needed: Iterable[tuple[frozenset[str], frozenset[str]]]) -> frozenset[str]:
    every = [*needed]
    of_file = [names for files, names in every if read.file in files]
    return frozenset[str]().union(*(of_file or [names for _, names in every]))
