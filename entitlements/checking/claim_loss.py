"""Who gains access by losing a claim: policies that deny by a claim let in whoever comes without it."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from entitlements.checking.words import sentence
from entitlements.contract import Contract, ContractFile, claim_places, parse_contract
from entitlements.engine import Opa, Read, read_policies
from entitlements.errors import Fault
from entitlements.proof import DEFAULT_EFFORT, Effort
from entitlements.proof.what_if import UNSAFE, WhatIf, without_claims


def losing(file: ContractFile, names: Collection[str], policies: Path, *, opa: Opa, effort: Effort) -> WhatIf:
    """Whether no one gains access by losing one or several of these claims. Raises as `compare_access` does."""
    required, optional = (_presence(file, names, required=required) for required in (True, False))
    return without_claims(required, optional, policies, opa=opa, effort=effort)


def loss_warnings(file: ContractFile, policies: Path, *, opa: Opa) -> list[Fault]:
    """A warning for each way to gain access by coming without a claim that a contract does not demand.

    Nothing where that is not known: `policy report` says so. Raises as `compare_access` does.
    """
    reads = read_policies(opa, policies).reads
    names = [name for name, claim in file.contract.claims.items() if not claim.required and is_read(name, reads)]
    found = losing(file, names, policies, opa=opa, effort=DEFAULT_EFFORT) if names else None
    told: dict[tuple[str, ...], Fault] = {}
    for witness in found.witnesses if found is not None and found.answer == UNSAFE else ():
        place = f"claims.{witness.changed[0]}"
        text = f"is optional, and who comes without it may gain access: {sentence(witness)}"
        told.setdefault(witness.changed, Fault("claim_loss_widens", text, file.file, file.lines.line_of(place), place))
    return [*told.values()]


def is_read(claim: str, reads: Sequence[Read]) -> bool:
    """Whether policies read a claim, or may."""
    places = [*claim_places(claim)]
    return any(read.may_be_of(place) for read in reads for place in places)


def _presence(file: ContractFile, names: Collection[str], *, required: bool) -> Contract:
    """The same contract, with and without the demand for some claims."""
    document: Any = copy.deepcopy(file.lines.value)
    for name in names:
        document["claims"][name]["required"] = required
    return parse_contract(json.dumps(document), Path(file.file), named=False)
