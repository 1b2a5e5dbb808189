"""One policy under one contract: what every permitted token and every permitted request can make of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from entitlements.contract import Contract
from entitlements.engine import BatchEngine, Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.model import JSON
from entitlements.proof.scenario import Scenario, policy_input_of
from entitlements.proof.symbolic.encode import Policy, Question, encode
from entitlements.proof.symbolic.session import Candidate, Session
from entitlements.proof.symbolic.smt.solver import Solver
from entitlements.proof.symbolic.terms.term import Term
from entitlements.proof.symbolic.time_limit import TimeLimit


class SinglePolicy:
    """A context manager around OPA and the solver.

    rule_path: the rule that is executed (`package/path/rule`); extra: policy files beside those of the folder, by name;
    free: claims that two tokens may hold differently. Raises StartupFault where the policies do not compile,
    EngineUnavailable where OPA fails, and Unsupported or PlanUnknown where the rule cannot be followed.
    """

    def __init__(
        self,
        contract: Contract,
        folder: Path,
        rule_path: str,
        *,
        opa: Opa,
        extra: dict[str, bytes] | None = None,
        free: frozenset[str] = frozenset(),
        seconds: float = 60.0,
    ) -> None:
        self.contract = contract
        self._stack = ExitStack()
        with ExitStack() as stack:
            self.engine = stack.enter_context(
                BatchEngine(opa, folder, rule_path, extra=extra or {}, shape=contract.answer)
            )
            self._solver = stack.enter_context(Solver(seconds=seconds))
            self._policy = Policy(build_plan(opa, self.engine.files, rule_path))
            self._calls = BuiltinCalls(opa)
            self.session = Session(self._ask(free), self._solver)
            self._stack = stack.pop_all()

    def __enter__(self) -> SinglePolicy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _ask(self, free: frozenset[str]) -> Question:
        contracts = (self.contract, self.contract)
        return encode(
            contracts, (self._policy, self._policy), self._calls, request_of=1, free=free, seconds=self._solver.seconds
        )

    def apart(self, free: frozenset[str]) -> Session:
        """The same, of two tokens that may hold some claims differently."""
        return Session(self._ask(free), self._solver)

    @property
    def unclosed(self) -> str:
        """Why not everything was looked at that the rule can depend on; empty where it was."""
        return unclosed(self.session.question)

    def candidate(self, goals: Sequence[Term]) -> Candidate:
        """A token and a request at which all goals hold, if there are."""
        self.session.limit = TimeLimit.starting(self._solver.seconds)
        found = self.session.candidate([self.session.question.pair.permitted[1], *goals])
        return replace(found, reason=self.session.too_much(found.reason))

    def input_of(self, scenario: Scenario) -> dict[str, JSON]:
        """What policy sees at a point."""
        return policy_input_of(self.contract, scenario.after, scenario)


def unclosed(question: Question) -> str:
    """Why not everything was looked at that a question can depend on; empty where it was."""
    for name, place in question.short_lists.items():
        return f"`{place}` reads the list `{name}`, of which only some elements were looked at"
    for executed in question.executed:
        for place in executed.limits.opened:
            return f"`{place}` looks through members that the contract does not type, see `request`"
    return ""
