"""What is printed of an invariant that was asked about."""

from __future__ import annotations

from typing import Any

from entitlements.checking.words import shown
from entitlements.contract import Contract
from entitlements.proof import PROVED, REFUTED
from entitlements.proof.invariants import Invariant, Proved
from entitlements.terminal import paint


def proved_json(invariant: Invariant, contract: Contract, proved: Proved) -> dict[str, Any]:
    """One answer as a JSON object."""
    return {
        "file": str(invariant.file),
        "contract": {"name": contract.name, "version": contract.version, "digest": contract.ref.digest},
        "violation": proved.code,
        "answer": proved.answer,
        "reason": proved.reason,
        "input": proved.given,
    }


def proved_lines(invariant: Invariant, contract: Contract, proved: Proved) -> list[str]:
    """One answer for a person."""
    colour = "green" if proved.answer == PROVED else "red"
    word = {PROVED: "never", REFUTED: "violated"}.get(proved.answer, proved.answer)
    lines = [f"{contract.name} {contract.version}: {proved.code}: {paint(word, colour)}  ({invariant.file})"]
    if proved.reason:
        lines.append(f"    {proved.reason}")
    if proved.given is not None:
        lines.append(f"    for example with the input {shown(proved.given)}")
    return lines
