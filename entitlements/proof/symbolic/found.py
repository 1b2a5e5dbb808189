"""What the proof in one direction found out, and where rules and built-ins fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from entitlements.model import JSON
from entitlements.proof.answer import DoubleCheck, Witness
from entitlements.proof.symbolic.values.place import Place


@dataclass(frozen=True)
class Failure:
    """A place at which a rule or a built-in fails for a permitted token: there is no decision then.

    example: what policy sees of such a token, confirmed by OPA.
    """

    place: Place
    what: str
    example: Mapping[str, JSON]

    def as_json(self) -> dict[str, JSON]:
        """The failure as its documented JSON object."""
        where: dict[str, JSON] = {"file": self.place.file, "line": self.place.row, "message": self.what}
        return {**where, "input": dict(self.example)}


@dataclass
class Proof:
    """What was found out. answer and reason as `Answer` has them; queries: the SMT-LIB strings that were asked; rests:
    those that have no model, on which the answer rests.

    bounds: how many elements of each list were looked at, where more are permitted; approximations: built-ins of which
    only congruence was used, with places; approvable: whether every kind of witness is reported; double_check:
    what a second solver says, where one was asked.
    """

    answer: str
    reason: str = ""
    approvable: bool = True
    witnesses: tuple[Witness, ...] = ()
    queries: list[str] = field(default_factory=list)
    rests: tuple[str, ...] = ()
    bounds: Mapping[str, int] = field(default_factory=dict)
    approximations: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    double_check: DoubleCheck | None = None
