"""The port through which a verdict is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.model import JSON, PartHealth, Verdict


class PolicyEngine(Protocol):
    """OPA, however it is reached."""

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        """Evaluate the rule at a path such as `orders/authz/decision`.

        deadline: instant of time.monotonic() at which the answer is worthless. Raises EngineUnavailable.
        """

    def health(self) -> PartHealth:
        """Whether a verdict could be had now, and of which policy revision."""

    def close(self) -> None:
        """Release connections and processes."""


class LoopEngine(PolicyEngine, Protocol):
    """An engine that can be asked from an event loop, which never waits for it."""

    async def ask_on_loop(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        """See PolicyEngine.ask."""
