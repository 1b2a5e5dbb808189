"""Which proofs of earlier versions of this package may be false, and for which contracts and policies.

A record carries the number of the proof that made it. The number is raised only when a false proof was mended; each
mend names what it concerned, as a predicate on contracts and policies that errs to the side of concerning too much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from entitlements.answer_shape import PLAIN_ANSWER
from entitlements.contract import Contract, always_names_client
from entitlements.engine.spelling import number_spelled
from entitlements.model import same_json
from entitlements.proof.decision_shape import may_oblige
from entitlements.proof.enumeration.values import Pool, values

_WITH = re.compile(rb"\bwith\b")
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_PRINTED = re.compile(rb"sprintf|marshal|template|encode_sign|sign_req|\$[\"`]")
_LIKE_A_NUMBER = re.compile(r"[-+.0-9]")
_INDEX = re.compile(rb"[\"`][-+.0-9]")
_WHOLE = re.compile(
    rb"\binput\b(?!\.(?:(?:action|resource|context|contract)\b|subject\.(?:id|type|claims|scopes|client_id|actor)\b))"
)
_COMMENT = re.compile(rb"^[ \t]*#.*$", re.MULTILINE)
_CALCULATED = re.compile(rb"[*/%]|\b(mul|div|rem|round|ceil|floor|abs|sum|product|to_number|plus|minus|time)\b")


@dataclass(frozen=True, slots=True)
class ProofSide:
    """One side of a proof. files: policy files and base documents by name, or None where they are not at hand;
    decision_path: the rule that decides, where it is not the contract's own.
    """

    contract: Contract
    files: Mapping[str, bytes] | None
    decision_path: str = ""


@dataclass(frozen=True, slots=True)
class Mend:
    """A false proof that was mended.

    number: the least sound one for what it concerned; what: what was false; concerns: whether a pair of sides, old and
    new, may have been proved falsely.
    """

    number: int
    what: str
    concerns: Callable[[ProofSide, ProofSide], bool]


def _disj(concerns: Callable[[ProofSide], bool]) -> Callable[[ProofSide, ProofSide], bool]:
    """That one of both sides is concerned; a side whose policies are not at hand is."""
    return lambda old, new: any(side.files is None or concerns(side) for side in (old, new))


def _has_base_documents(side: ProofSide) -> bool:
    """Whether a number may be looked up as a key of a base document: there is one, or `with` puts one in its place."""
    files = side.files or {}
    return any(not name.endswith(".rego") or _WITH.search(content) for name, content in files.items())


def _links_names(_old: ProofSide, new: ProofSide) -> bool:
    return any(claim.renamed_from for claim in new.contract.claims.values())


def _may_oblige(side: ProofSide) -> bool:
    if side.contract.answer is not PLAIN_ANSWER:
        # Obligations may have any name then.
        return side.contract.answer.obligations is not None
    return may_oblige(side.files or {}, side.decision_path or side.contract.decision_path)


def _tells_spellings(side: ProofSide) -> bool:
    """Whether a number is written otherwise than in digits, or one that is calculated may be printed."""
    contents = (side.files or {}).items()
    printed = any(_PRINTED.search(content) for _, content in contents)
    calculated = any(_CALCULATED.search(content) for _, content in contents)
    return (printed and calculated) or any(
        name.endswith((".yaml", ".yml")) or _holds_another_spelling(content) for name, content in contents
    )


def _converts_keys_of_documents(side: ProofSide) -> bool:
    """Whether a base document has a member named like a number, or a list while policies hold such a string."""
    files = side.files or {}
    indexed = any(_INDEX.search(content) for name, content in files.items() if name.endswith(".rego"))
    return any(_may_convert(name, content, indexed) for name, content in files.items() if not name.endswith(".rego"))


def _may_convert(name: str, content: bytes, indexed: bool) -> bool:
    try:
        document = json.loads(content) if name.endswith(".json") else None
    except ValueError:
        document = None
    return document is None or _named_like_a_number(document, indexed)


def _named_like_a_number(document: object, indexed: bool) -> bool:
    if isinstance(document, list):
        return (bool(document) and indexed) or any(_named_like_a_number(one, indexed) for one in document)
    if not isinstance(document, dict):
        return False
    names = any(_LIKE_A_NUMBER.match(name) for name in document)
    return names or any(_named_like_a_number(one, indexed) for one in document.values())


def _holds_another_spelling(content: bytes) -> bool:
    return any(number_spelled(written.decode()) is None for written in _NUMBER.findall(content))


_LISTED = re.compile(rb"reason|\\\\u", re.IGNORECASE)


def _lists_items(side: ProofSide) -> bool:
    """Whether a decision may hold reasons or obligations, and a list of the contract may give it many of them."""
    listed = any(_LISTED.search(content) for content in (side.files or {}).values()) or _may_oblige(side)
    return listed and any(_lists(side.contract.canonical))


def _keeps_lists_apart(document: object) -> bool:
    """Whether a contract document declares a list without repetitions whose elements are lists or hold some."""
    if isinstance(document, Mapping):
        apart = document.get("uniqueItems") is True and any(_lists(document.get("items")))
        return apart or any(map(_keeps_lists_apart, document.values()))
    return isinstance(document, (list, tuple)) and any(map(_keeps_lists_apart, document))


def _requests_keep_lists_apart(old: ProofSide, new: ProofSide) -> bool:
    return any(_keeps_lists_apart(side.contract.canonical["request"]) for side in (old, new))


def _reads_subject_whole(side: ProofSide) -> bool:
    """Whether something else is read than one of the members of the input that there always were."""
    policies = (
        content for name, content in (side.files or {}).items() if name.endswith(".rego") and "_test." not in name
    )
    return any(_WHOLE.search(_COMMENT.sub(b"", content)) for content in policies)


def _may_name_no_client(old: ProofSide, new: ProofSide) -> bool:
    return not all(always_names_client(side.contract) for side in (old, new))


def _change_the_issuer(old: ProofSide, new: ProofSide) -> bool:
    return old.contract.profile.issuer != new.contract.profile.issuer


def _tell_the_time(old: ProofSide, new: ProofSide) -> bool:
    return any(side.contract.time is not None for side in (old, new))


def _mappings(document: object) -> Iterator[Mapping[str, object]]:
    """Whatever is an object in a contract document, at any depth."""
    if isinstance(document, Mapping):
        yield document
        for member in document.values():
            yield from _mappings(member)
    elif isinstance(document, (list, tuple)):
        for member in document:
            yield from _mappings(member)


def _lists(document: object) -> Iterator[Mapping[str, object]]:
    """The lists of more than one item that a contract document declares."""
    for found in _mappings(document):
        most = found.get("maxItems")
        if isinstance(most, int) and most > 1:
            yield found


def _changes_repetitions(old: ProofSide, new: ProofSide) -> bool:
    """Whether a list may hold a value twice under one of two contracts that differ, and one may not."""
    documents = [side.contract.canonical for side in (old, new)]
    changed = any(not same_json(documents[0][part], documents[1][part]) for part in ("claims", "request"))
    return changed and len({one.get("uniqueItems") is True for one in _lists(documents)}) > 1


def _schemas(document: object) -> Iterator[Mapping[str, object]]:
    """Whatever may be a schema in a contract document."""
    for found in _mappings(document):
        if isinstance(found.get("type"), (str, list)) or "enum" in found or "const" in found:
            yield found


def _permits_nothing(old: ProofSide, new: ProofSide) -> bool:
    """Whether no value is found for some schema."""
    parts = (side.contract.canonical[part] for side in (old, new) for part in ("claims", "request"))
    return not all(values(schema, Pool.of((), [schema]), limit=1) for part in parts for schema in _schemas(part))


HISTORY: tuple[Mend, ...] = (
    Mend(
        2,
        "a fraction that is looked up as a key of a base document was taken for undefined; OPA finds its string",
        _disj(_has_base_documents),
    ),
    Mend(
        3,
        "`renamed_from` onto a name that the older version declares too was ignored",
        _links_names,
    ),
    Mend(
        4,
        "an allow that lost an obligation was not counted as new access",
        _disj(_may_oblige),
    ),
    Mend(
        5,
        "a built-in that tells spellings of one number apart (`json.marshal` of `1.0` and of `1e0`) was taken to give "
        "the same for both",
        _disj(_tells_spellings),
    ),
    Mend(
        6,
        "a rule that OPA's index leaves out where a number is the key of a base document "
        "(`reasons contains r if data.m[n]`) was taken to be evaluated",
        _disj(_converts_keys_of_documents),
    ),
    Mend(
        7,
        "a decision that holds a reason or an obligation for each item of a list was taken to be well-formed; it "
        "may hold more than the service accepts",
        _disj(_lists_items),
    ),
    Mend(
        8,
        "the issuer was not in the input: a policy that looks at `input.subject` as a whole saw other members",
        _disj(_reads_subject_whole),
    ),
    Mend(
        9,
        "a token that names no client was left out, where the profile or the form of the token permits it: its "
        "`input.subject.client_id` is empty",
        _may_name_no_client,
    ),
    Mend(
        10,
        "the subject, the client and the actor were taken to stay where the issuer changes; each is unique within its "
        "issuer only",
        _change_the_issuer,
    ),
    Mend(
        11,
        "lists within a request's list without repetitions were taken to be shorter than is needed to keep its "
        "elements apart",
        _requests_keep_lists_apart,
    ),
    Mend(
        12,
        "the time that the service tells policies was not in the input: a rule that reads it was taken never to hold",
        _tell_the_time,
    ),
    Mend(
        13,
        "a list that may hold a value twice under one contract only was taken to be permitted by the other one even "
        "where it does",
        _changes_repetitions,
    ),
    Mend(
        14,
        "whatever was asked was taken for proved where a claim or a property of a request that may be absent permits "
        "no value",
        _permits_nothing,
    ),
)
"""Every false proof that was mended, oldest first. Proofs before the first are of soundness 1."""
SOUNDNESS = HISTORY[-1].number
"""The soundness of a proof that is made now."""
FIRST = 1
"""The soundness of a record that names none."""


def concerning(old: ProofSide, new: ProofSide, soundness: int = FIRST) -> tuple[Mend, ...]:
    """The mends after `soundness` that may concern a proof about these sides: why it cannot be relied on."""
    return tuple(mend for mend in HISTORY if mend.number > soundness and mend.concerns(old, new))


def least_sound(old: ProofSide, new: ProofSide) -> int:
    """The least soundness that a record about this pair of contracts and policies needs to be relied on.

    old, new: the sides of the record; give `files=None` for policies that are not at hand (the least is then what they
    may need at most). A record of a smaller number is refused, see `entitlements contract verify --renew`.
    """
    return max((mend.number for mend in concerning(old, new)), default=FIRST)
