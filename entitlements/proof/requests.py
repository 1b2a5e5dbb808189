"""Which requests a witness represents: those that the policies read alike, told by what they read of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from entitlements.model import JSON

IS, LIKE, ANY, PERHAPS = "is", "like", "any", "perhaps_any"
"""A name; a name that policies do not single out, as an example of all that they read as they read this one; any; an
example, where it was not found out which others there are, so that it represents any."""


Asked = tuple[str, bool]
"""A condition that policies ask of a name, as JSON, and whether it holds."""


@dataclass(frozen=True, slots=True)
class Label:
    """Actions, or types of resource, that the policies read alike.

    example: one of them, of `is` the only one; names: of `any` all there are where the contract lists them, of `like`
    those that the policies single out, which it is not; asked: of `like` everything else that policies ask, and whether
    that is so.
    """

    example: str
    how: str = IS
    names: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()

    @property
    def meaning(self) -> JSON:
        """What a fingerprint is made of: of what is not named, nothing that the solver invented.

        Two labels of one meaning are the same names, whichever policies they were found with.
        """
        if self.how == IS:
            return self.example
        if self.how in (ANY, PERHAPS):
            return {self.how: [*self.names] or True}
        return {LIKE: _meaning(self.asked), "not": [*self.names]}

    def as_json(self) -> dict[str, JSON]:
        """The label as its documented JSON object."""
        if self.how == ANY:
            return {ANY: [*self.names] or True}
        found: dict[str, JSON] = {self.how: self.example}
        if self.how == LIKE:
            found |= {"not": [*self.names], "asked": _asked_json(self.asked)}
        return found

    @property
    def listed(self) -> tuple[str, ...]:
        """The names, where it represents a list of names that is known in full."""
        return (self.example,) if self.how == IS else self.names if self.how == ANY else ()


@dataclass(frozen=True, slots=True)
class RequestKind:
    """Requests that the policies read alike. both: what they ask of action and type at once, and whether that is so."""

    action: Label
    type: Label
    both: tuple[Asked, ...] = ()

    @property
    def named(self) -> bool:
        """Whether it is one action on one type of resource."""
        return (self.action.how, self.type.how) == (IS, IS)

    @property
    def meaning(self) -> dict[str, JSON]:
        """What a fingerprint is made of."""
        both: dict[str, JSON] = {"both": _meaning(self.both)} if self.both else {}
        return {"action": self.action.meaning, "resource": self.type.meaning, **both}

    def as_json(self) -> dict[str, JSON]:
        """The kind as its documented JSON object."""
        both: dict[str, JSON] = {"both": _asked_json(self.both)} if self.both else {}
        return {"action": self.action.as_json(), "type": self.type.as_json(), **both}

    @property
    def listed(self) -> tuple[tuple[str, str], ...]:
        """Each action and type of resource, where both are known in full."""
        return tuple((action, kind) for action in self.action.listed for kind in self.type.listed)


def _meaning(asked: Sequence[Asked]) -> JSON:
    return [[condition, holds] for condition, holds in asked]


def _asked_json(asked: Sequence[Asked]) -> JSON:
    return [{"condition": condition, "holds": holds} for condition, holds in asked]


def perhaps_any(action: str, kind: str) -> RequestKind:
    """A request, and any other that there may be beside it."""
    return RequestKind(Label(action, PERHAPS), Label(kind, PERHAPS))


def one_request(action: str, kind: str) -> RequestKind:
    """One action on one type of resource."""
    return RequestKind(Label(action), Label(kind))


def meaning_of(kinds: Sequence[RequestKind]) -> dict[str, JSON]:
    """What the fingerprint of a witness says of its requests."""
    if len(kinds) == 1:
        return kinds[0].meaning
    return {"requests": sorted((kind.meaning for kind in kinds), key=repr)}
