"""The record of one decision and the port it is written through.

Fields are an allow-list: no token, no key, no claim value but the ids of subject and client, and those only as the
contract's sensitivity of `sub` and `client_id` allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from entitlements.model import JSON, PartHealth


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What is kept of one decision. Only what stands here can reach a log.

    time: RFC 3339 in UTC; batch_id: of the batch that the request came in; effect: `allow`, `deny` or, for a token that
    was refused, `reject`; refusal: the exact cause that the caller is not told; subject, client_id: the value, its
    keyed hash or empty, as the contract's sensitivity of `sub` and `client_id` says (masking.py); violations:
    `code:claim` pairs; ignored: names of claims that were stripped; duration_ms: from parsed request to verdict.
    """

    time: str = ""
    decision_id: str = ""
    request_id: str = ""
    batch_id: str = ""
    effect: str = ""
    reasons: tuple[str, ...] = ()
    refusal: str = ""
    subject: str = ""
    client_id: str = ""
    actor: str = ""
    issuer: str = ""
    audience: str = ""
    action: str = ""
    resource_type: str = ""
    resource_id: str = ""
    contract: str = ""
    contract_digest: str = ""
    policy_revision: str = ""
    obligations: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    duration_ms: float = 0.0

    def as_json(self) -> dict[str, JSON]:
        """The record as JSON members, empty ones left out."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value not in ("", ())
        }


class DecisionLog(Protocol):
    """Where decisions are kept. An allow that could not be kept is not given."""

    def append(self, record: DecisionRecord) -> None:
        """Keep one record before returning. Raises DecisionLogUnavailable."""

    def health(self) -> PartHealth:
        """Whether the last record could be kept."""

    def close(self) -> None:
        """Release what is held."""


class LoopLog(DecisionLog, Protocol):
    """A log that can be written to from an event loop, line by line (see LineTemplate)."""

    def append_now(self, line: bytes) -> bool:
        """Keep the line of a decision if that needs no wait; False where it would, and nothing was kept.

        Raises DecisionLogUnavailable.
        """
