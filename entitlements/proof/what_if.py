"""What would be if a rule, or a claim, were not there: the question of a check, asked of a change that no one made."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from entitlements.contract import Contract
from entitlements.engine import Opa, policy_files
from entitlements.engine.policy_module import RuleLines
from entitlements.errors import StartupFault
from entitlements.files import write_files
from entitlements.proof.answer import HOLDS, REFUTED, Witness
from entitlements.proof.check import Side, compare_access
from entitlements.proof.effort import Effort

REDUNDANT, NEEDED, SAFE, UNSAFE, UNKNOWN = "redundant", "needed", "safe", "unsafe", "unknown"


@dataclass(frozen=True)
class WhatIf:
    """An answer with its witnesses, or the reason why there is none."""

    answer: str
    witnesses: tuple[Witness, ...] = ()
    reason: str = ""


def without_rule(contract: Contract, policies: Path, rule: RuleLines, *, opa: Opa, effort: Effort) -> WhatIf:
    """Whether all decisions stay as they are without a rule.

    `needed` with a witness, or without one where the policies do not
    compile then. Raises EngineUnavailable where OPA fails, Unsupported where the policies cannot be followed.
    """
    files = policy_files(policies)
    kept = _without(files[rule.file].decode(errors="replace").splitlines(), rule)
    with tempfile.TemporaryDirectory(prefix="entitlements-") as work:
        write_files(Path(work), {**files, rule.file: kept.encode()})
        sides = (Side(contract, folder, contract.decision_path) for folder in (policies, Path(work)))
        try:
            access = compare_access(*sides, opa=opa, effort=effort)
        except StartupFault:
            return WhatIf(NEEDED)
    answers = access.no_new_access, access.no_lost_access
    if all(one.answer in HOLDS for one in answers):
        return WhatIf(REDUNDANT)
    if shown := [witness for one in answers for witness in one.witnesses]:
        return WhatIf(NEEDED, tuple(shown))
    return WhatIf(UNKNOWN, reason=next(one.reason for one in answers if one.answer not in HOLDS))


def _without(lines: Sequence[str], rule: RuleLines) -> str:
    """A module without the lines of a rule, all others where they were."""
    end = rule.last
    while end < len(lines) and (closing := lines[end].strip()) and not closing.strip("}])"):
        # The last line that is known is that of the last expression.
        end += 1
    return "".join(("" if rule.first <= number <= end else text) + "\n" for number, text in enumerate(lines, 1))


def without_claims(required: Contract, optional: Contract, policies: Path, *, opa: Opa, effort: Effort) -> WhatIf:
    """Whether no one gains access by losing claims.

    required, optional: the contract with and without the demand for them. Raises as `compare_access` does.
    """
    sides = (Side(one, policies, one.decision_path) for one in (required, optional))
    answer = compare_access(*sides, opa=opa, effort=effort).no_new_access
    if answer.answer in HOLDS:
        return WhatIf(SAFE)
    if answer.answer == REFUTED:
        return WhatIf(UNSAFE, answer.witnesses)
    return WhatIf(UNKNOWN, reason=answer.reason)
