"""What may be locked at all, whatever it is compared with: policies that pass the lint, and proved invariants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from entitlements.checking.usage import claim_of, declared_once, newest, undeclared
from entitlements.contract import Contract
from entitlements.contract.registered import right_place
from entitlements.engine import Opa, check_policies, read_policies
from entitlements.errors import Fault, StartupFault
from entitlements.proof.invariants import Invariant, Proved, invariants_in, load_invariant, prove_invariant


def refuse_unlockable(folder: Path, policies: Path, contracts: Sequence[Contract], opa: Opa) -> None:
    """Raise StartupFault with what keeps policies from being locked under the contracts that would be served.

    folder: of the contracts, whose newest versions may declare what the policies read. What the last lock served counts
    no more: its release is a pair of its own while an OPA changes over.
    """
    check_policies(policies, decision_paths=sorted({one.decision_path for one in contracts}), opa=opa)
    faults = [
        Fault(
            "claim_undeclared",
            f"the claim `{claim_of(read)}` is declared by no contract that is served"
            + (right_place(claim_of(read)) or declared_once(folder, claim_of(read))),
            str(policies / read.file),
            read.line,
        )
        for read in undeclared(read_policies(opa, policies), [*contracts, *newest(folder)])
    ]
    if faults:
        raise StartupFault("policy_invalid", "the policies read claims that no token can hold", faults)


def proved_invariants(
    policies: Path, contracts: Sequence[Contract], opa: Opa
) -> Iterator[tuple[Invariant, Contract, Proved]]:
    """What becomes of each invariant beside the policies, under each contract that it is about."""
    for path in invariants_in(policies):
        invariant = load_invariant(path, policies)
        for contract in filter(invariant.is_about, contracts):
            for proved in prove_invariant(invariant, contract, policies, opa=opa):
                yield invariant, contract, proved
