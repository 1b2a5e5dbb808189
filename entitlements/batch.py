"""Many requests by one token, decided one after the other within one budget."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from entitlements.errors import DecisionUnavailable, EntitlementsError, RequestInvalid, TokenRejected
from entitlements.model import AccessRequest, Decision
from entitlements.pdp import Batch, PolicyDecisionPoint

# What is wrong with one request alone; whatever else is wrong with the first is wrong with all of them.
_OF_ONE = "request_breaks_contract"


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """One answer for each request, in their order: a decision, or why there is none."""

    id: str
    answers: tuple[Decision | EntitlementsError, ...]


def decide_batch(
    pdp: PolicyDecisionPoint,
    requests: Sequence[AccessRequest],
    *,
    request_id: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> BatchAnswer:
    """Decide requests that have token, audience and proof in common. Each decision has a record of its own.

    When the budget of the batch ends, each request that is left has DecisionUnavailable `batch_budget_spent`. Raises
    TokenRejected or RequestInvalid where the token, or how the API names itself, is refused for all of them.
    """
    batch = Batch(str(uuid.uuid4()), clock() + pdp.budget)
    return BatchAnswer(batch.id, tuple(_answers(pdp, requests, batch, request_id, clock)))


def _answers(
    pdp: PolicyDecisionPoint,
    requests: Sequence[AccessRequest],
    batch: Batch,
    request_id: str,
    clock: Callable[[], float],
) -> Iterator[Decision | EntitlementsError]:
    held = False
    for request in requests:
        if clock() >= batch.deadline:
            yield DecisionUnavailable("batch_budget_spent", "the time of the batch ended before this request's turn")
            continue
        answer = _answer(pdp, request, batch, request_id)
        if not held and _of_all(answer):
            raise answer
        held = held or not isinstance(answer, DecisionUnavailable)
        yield answer


def _answer(
    pdp: PolicyDecisionPoint, request: AccessRequest, batch: Batch, request_id: str
) -> Decision | EntitlementsError:
    try:
        return pdp.decide(request, request_id=request_id, batch=batch)
    except (TokenRejected, RequestInvalid, DecisionUnavailable) as error:
        return error


def _of_all(answer: Decision | EntitlementsError) -> TypeGuard[EntitlementsError]:
    """Whether an answer, before the token held for any request, is one for all requests."""
    return isinstance(answer, TokenRejected) or (isinstance(answer, RequestInvalid) and answer.code != _OF_ONE)
