"""What the service may answer, one type each, so that a reader or a type checker sees which one was forgotten.

An allow that the API has to do something for is a type of its own: who matches `Allow` alone refuses it. No answer is
true or false.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

from entitlements.model import JSON, ContractRef, Violation


class _Typed:
    """Has no truth: `if pdp.authorize(…)` would let every answer pass."""

    __slots__ = ()

    def __bool__(self) -> NoReturn:
        raise TypeError("an answer is neither true nor false, match its type: `isinstance(answer, Allow)`")


@dataclass(frozen=True, slots=True)
class Question:
    """May the holder of the token do `action` (a name, or an object with `name` and `properties`) to `resource`?

    resource: `type`, `id` and `properties`, as the contract declares them.
    """

    action: str | Mapping[str, object]
    resource: Mapping[str, object]
    context: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Obligation:
    """What the API has to do in addition. members: all of it, `id` included; a policy may put claims there."""

    id: str
    members: Mapping[str, JSON] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Allow(_Typed):
    """Yes, and nothing else is to be done. revision: of the policies that decided."""

    decision_id: str
    reasons: tuple[str, ...]
    contract: ContractRef
    revision: str


@dataclass(frozen=True, slots=True)
class AllowIf(_Typed):
    """Yes if the API fulfils every obligation, else no.

    www_authenticate: the challenge to hand on with 401 where one of them is `step_up`, else empty (RFC 9470).
    """

    decision_id: str
    obligations: tuple[Obligation, ...]
    reasons: tuple[str, ...]
    contract: ContractRef
    revision: str
    www_authenticate: str = ""


@dataclass(frozen=True, slots=True)
class Deny(_Typed):
    """No. www_authenticate: the challenge to hand on with 401 where a stronger sign-in would help, else empty.

    violations: how the token breaks the contract; contract and revision are None where no policy was evaluated.
    """

    decision_id: str
    reasons: tuple[str, ...]
    obligations: tuple[Obligation, ...] = ()
    violations: tuple[Violation, ...] = ()
    www_authenticate: str = ""
    contract: ContractRef | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Refused(_Typed):
    """The token is missing or not accepted: 401, not 403.

    challenges: the values of `WWW-Authenticate` to hand on, one header each; dpop_nonce: of `DPoP-Nonce`, empty for
    none (RFC 9449 section 8). Answers of a batch have neither.
    """

    error: str
    description: str
    decision_id: str
    challenges: tuple[str, ...] = ()
    dpop_nonce: str = ""


@dataclass(frozen=True, slots=True)
class Malformed(_Typed):
    """The question is at fault, not the token: mend the API. details: by the path of a field what is wrong with it."""

    status: int
    error: str
    code: str = ""
    details: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unavailable(_Typed):
    """No decision can be had: the service says so, cannot be asked, or said what is no answer. 503, never an allow.

    code: of the service, or `service_timeout`, `service_unreachable`, `service_answer_invalid`; retry_after: seconds;
    detail: what happened, for a log; it quotes neither the token nor what was answered.
    """

    code: str
    retry_after: int = 1
    detail: str = ""


Answer: TypeAlias = Allow | AllowIf | Deny | Refused | Malformed | Unavailable


@dataclass(frozen=True, slots=True)
class Batch(_Typed):
    """An answer for each question, in their order: read each. id: stands in the line of each decision in the log."""

    id: str
    answers: tuple[Answer, ...]


BatchAnswer: TypeAlias = Batch | Refused | Malformed | Unavailable
