"""Invariants: what must hold of every permitted token and request, written as a small Rego rule beside the policies.

A file `*_invariant.rego` gives a set `violation` of codes: each says what must never be. The package is that of a
contract's policy with `_invariant` behind it. Each code is proved on its own, or shown with a token and a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from entitlements.contract import Contract
from entitlements.engine import Opa, invariant_files
from entitlements.engine.policy_module import RuleLines
from entitlements.engine.policy_reading import rule_lines
from entitlements.errors import Fault, FolderUnreadable, NotFollowed, StartupFault
from entitlements.folder import CEILING, read_file
from entitlements.model import JSON
from entitlements.proof.answer import PROVED, REFUTED, UNKNOWN
from entitlements.proof.checkable import checkable
from entitlements.proof.scenario import Scenario
from entitlements.proof.single_policy import SinglePolicy
from entitlements.proof.symbolic.self_check import mismatch
from entitlements.proof.symbolic.terms.term import FALSE, Term, conj, disj, neg
from entitlements.proof.symbolic.values.value import Const, Set, Value

SUFFIX, RULE = "_invariant", "violation"
# Codes that a symbolic execution leaves nothing of are named all the same: that is what was to be proved.
_CODE = re.compile(r'^\s*violation\s+contains\s+"([^"\\]+)"', re.MULTILINE)
_CLOSES = re.compile(r"\s*[\])}]*\s*")
_ALL = "*"
_PACKAGE = re.compile(r"^\s*package\s+([A-Za-z0-9_.]+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Proved:
    """What became of one code of one invariant. point: the token and the request that break it, confirmed by OPA."""

    code: str
    answer: str
    reason: str = ""
    scenario: Scenario | None = None
    given: dict[str, JSON] | None = None


@dataclass(frozen=True)
class Invariant:
    """One invariant file. file: its path; package: in dots; decides: the package whose contract it is about."""

    file: Path
    name: str
    content: bytes
    package: str

    @property
    def decides(self) -> str:
        """The package of the policy that it is about."""
        return self.package.removesuffix(SUFFIX)

    def is_about(self, contract: Contract) -> bool:
        """Whether the policy of a contract is of that package."""
        return contract.decision_path.split("/")[:-1] == self.decides.split(".")

    @property
    def rule_path(self) -> str:
        """The rule that gives the violations, as a path."""
        return "/".join([*self.package.split("."), RULE])


def load_invariant(file: Path, policies: Path) -> Invariant:
    """Read an invariant. Raises StartupFault `invariant_invalid`."""
    try:
        content = read_file(file, CEILING.file_bytes, code="invariant_invalid")
        found = _PACKAGE.search(content.decode())
    except FolderUnreadable as error:
        raise StartupFault("invariant_invalid", error.message, error.faults) from None
    except UnicodeDecodeError:
        raise _invalid(file, "is not valid UTF-8") from None
    if found is None or not found[1].endswith(SUFFIX):
        raise _invalid(file, f"must be of the package of a policy with `{SUFFIX}` behind it")
    inside = file.resolve().is_relative_to(policies.resolve())
    name = file.resolve().relative_to(policies.resolve()).as_posix() if inside else f"invariants/{file.name}"
    return Invariant(file, name, content, found[1])


def invariants_in(policies: Path) -> list[Path]:
    """Every invariant file below a folder. Raises StartupFault `policy_unreadable`."""
    return [policies / name for name in invariant_files(policies)]


def _invalid(file: Path, why: str) -> StartupFault:
    fault = Fault("invariant_invalid", why, str(file))
    return StartupFault("invariant_invalid", f"`{file}` is no invariant", [fault])


def prove_invariant(
    invariant: Invariant, contract: Contract, policies: Path, *, opa: Opa, seconds: float = 60.0
) -> list[Proved]:
    """Every code that the invariant can give, proved to be never given or shown.

    Raises StartupFault where the policies or the invariant do not compile, and ModelMismatch.
    """
    checkable(opa, policies, contract.decision_path)

    def prove(one: Invariant) -> dict[str, Proved]:
        return {found.code: found for found in _prove(one, contract, policies, opa, seconds)}

    found = prove(invariant)
    if all(one.answer != UNKNOWN for one in found.values()):
        return [*found.values()]
    # What is not followed or may fail in the rule of one code says nothing of the others.
    alone = _apart(invariant, rule_lines(opa, invariant.file, invariant.content))
    whole = found.pop(_ALL, None) if alone else None
    for code, one in alone.items():
        if whole is not None or found[code].answer == UNKNOWN:
            by_itself = prove(one)
            found[code] = replace(by_itself.get(code) or by_itself[_ALL], code=code)
    return [*found.values()]


def _apart(invariant: Invariant, rules: Sequence[RuleLines]) -> dict[str, Invariant]:
    """The invariant with the rules of one code only, by code; nothing where there is but one, or one has no name."""
    lines = invariant.content.decode().splitlines()
    codes: dict[str, list[RuleLines]] = {}
    for rule in rules:
        if rule.name == RULE:
            head = _CODE.match(lines[rule.first - 1])
            if head is None:
                return {}
            codes.setdefault(head[1], []).append(rule)
    if len(codes) < 2:
        return {}
    return {
        code: replace(invariant, content=_without(lines, [r for other in codes if other != code for r in codes[other]]))
        for code in codes
    }


def _without(lines: Sequence[str], rules: Sequence[RuleLines]) -> bytes:
    """The lines without those of some rules, which leave empty ones."""
    kept = [*lines]
    for rule in rules:
        last = rule.last
        while last < len(kept) and _CLOSES.fullmatch(kept[last]):
            last += 1
        kept[rule.first - 1 : last] = [""] * (last - rule.first + 1)
    return "\n".join([*kept, ""]).encode()


def _prove(invariant: Invariant, contract: Contract, policies: Path, opa: Opa, seconds: float) -> list[Proved]:
    extra = {invariant.name: invariant.content}
    try:
        single = SinglePolicy(contract, policies, invariant.rule_path, opa=opa, extra=extra, seconds=seconds)
    except NotFollowed as fault:
        return [Proved(_ALL, UNKNOWN, fault.message)]
    with single:
        codes = dict(_codes(single.session.question.executed[1].value))
        if None in codes:
            return [Proved(_ALL, UNKNOWN, "a violation is no constant string, so that it cannot be named")]
        named = dict.fromkeys([*_CODE.findall(invariant.content.decode()), *map(str, codes)])
        return [_proved(single, code, codes.get(code, FALSE)) for code in named]


def _codes(result: Value) -> Iterator[tuple[str | None, Term]]:
    """Each code with the condition under which it is given."""
    found: dict[str | None, Term] = {}
    for guard, leaf in result.cases:
        for there, key, member in getattr(leaf, "members", ()):
            if key is not Const("result"):
                continue
            for condition, collection in member.cases:
                if not isinstance(collection, Set):
                    found[None] = condition
                    continue
                for held, element in collection.elements:
                    for case, code in element.cases:
                        name = code.value if isinstance(code, Const) and isinstance(code.value, str) else None
                        given = conj(guard, there, condition, held, case)
                        found[name] = disj(found.get(name, FALSE), given)
    yield from found.items()


def _proved(single: SinglePolicy, code: str, given: Term) -> Proved:
    executed = single.session.question.executed[1]
    candidate = single.candidate([given, neg(executed.fails)])
    if candidate.scenario is not None:
        seen = single.input_of(candidate.scenario)
        if code in (single.engine.value(seen) or ()):
            return Proved(code, REFUTED, scenario=candidate.scenario, given=seen)
        if candidate.exact and not (executed.limits.approximations or executed.limits.opened or executed.errors):
            if candidate.assignment is None:
                return Proved(code, UNKNOWN, "a candidate was found that OPA does not confirm")
            question, what = single.session.question, "a model of the solver is decided differently"
            return Proved(code, UNKNOWN, mismatch(what, question, 1, single.engine, candidate.assignment).message)
        return Proved(code, UNKNOWN, "a candidate was found that OPA does not confirm")
    if candidate.reason:
        return Proved(code, UNKNOWN, candidate.reason)
    if single.unclosed:
        return Proved(code, UNKNOWN, single.unclosed)
    if executed.errors and single.candidate([given]).scenario is not None:
        place = next(iter(executed.errors))[0]
        return Proved(code, UNKNOWN, f"a rule or a built-in may fail at `{place}`, and OPA may not come to evaluate it")
    return Proved(code, PROVED)
