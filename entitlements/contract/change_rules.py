"""The catalogue of change rules: what a difference between two versions of a contract means, as data.

Two severities stand side by side. Compatibility: does a consumer break? Access: has a person to approve what the
change by itself lets in (`review`), is that for the access question to answer (`asked`), or can it not matter to access
(`none`)? Each rule names its mirror, the rule of the opposite change.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import rfc8785

from entitlements.model import JSON

BREAKING, WARNING, COMPATIBLE = "breaking", "warning", "compatible"
REVIEW, ASKED, NONE = "review", "asked", "none"


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """One kind of change. Ids are stable; each has a heading in docs/contract-rules.md."""

    id: str
    purpose: str
    compatibility: str
    access: str
    mirror: str


_PAIRS: tuple[tuple[tuple[str, str, str, str], tuple[str, str, str, str]], ...] = (
    (
        ("claim_removed", "a consumer that reads the claim no longer finds it", BREAKING, ASKED),
        ("claim_added", "a rule that waited for the claim wakes up", COMPATIBLE, ASKED),
    ),
    (
        ("enum_value_added", "a deny-list does not know the new value", WARNING, ASKED),
        (
            "enum_value_removed",
            "a value is gone that consumers rely on and tokens in flight carry",
            BREAKING,
            ASKED,
        ),
    ),
    (
        ("range_relaxed", "numbers beyond the old bounds arrive", WARNING, ASKED),
        ("range_tightened", "tokens in flight may hold numbers that are refused now", BREAKING, ASKED),
    ),
    (
        ("length_relaxed", "strings of another length than before arrive", WARNING, ASKED),
        ("length_tightened", "tokens in flight may hold strings that are refused now", BREAKING, ASKED),
    ),
    (
        ("pattern_relaxed", "strings of another form than before arrive", WARNING, ASKED),
        ("pattern_tightened", "tokens in flight may hold strings that are refused now", BREAKING, ASKED),
    ),
    (
        ("list_relaxed", "lists of another size than before arrive, or with repetitions", WARNING, ASKED),
        ("list_tightened", "tokens in flight may hold lists that are refused now", BREAKING, ASKED),
    ),
    (
        ("claim_made_optional", "the claim may be absent, which a negation reads as its best value", BREAKING, ASKED),
        ("claim_made_required", "tokens in flight without the claim are refused", WARNING, ASKED),
    ),
    (
        ("ignored_item_added", "lists that were refused for the item are accepted without it", COMPATIBLE, ASKED),
        ("ignored_item_removed", "tokens in flight whose lists hold the item are refused", BREAKING, ASKED),
    ),
    (
        ("property_removed", "a consumer that reads the property no longer finds it", BREAKING, ASKED),
        ("property_added", "a rule that waited for the property wakes up", COMPATIBLE, ASKED),
    ),
    (
        ("property_made_optional", "the property may be absent", BREAKING, ASKED),
        ("property_made_required", "tokens in flight without the property are refused", WARNING, ASKED),
    ),
    (
        ("scope_added", "clients can ask for what was not there before", COMPATIBLE, ASKED),
        ("scope_removed", "clients that ask for the scope no longer get it", BREAKING, ASKED),
    ),
    (
        ("scope_releases_claim", "every client that holds the scope gets the claim", WARNING, ASKED),
        ("scope_withholds_claim", "clients that hold the scope no longer get the claim", BREAKING, ASKED),
    ),
    (
        ("claim_unbound", "every token holds the claim, whatever its scopes", WARNING, ASKED),
        ("claim_bound", "tokens without the scope no longer hold the claim", BREAKING, ASKED),
    ),
    (
        ("token_kind_added", "the claim appears in a kind of token where it was not", WARNING, ASKED),
        ("token_kind_removed", "readers of that kind of token no longer find the claim", BREAKING, ASKED),
    ),
    (
        ("sensitivity_lowered", "the claim's values may be shown and logged where they were not", COMPATIBLE, REVIEW),
        ("sensitivity_raised", "the claim's values disappear from logs and displays", COMPATIBLE, NONE),
    ),
    (
        ("algorithm_added", "tokens signed in another way are accepted", COMPATIBLE, REVIEW),
        ("algorithm_removed", "tokens signed that way are refused", BREAKING, NONE),
    ),
    (
        ("opaque_tokens_added", "tokens are accepted that only their issuer can judge", COMPATIBLE, REVIEW),
        ("opaque_tokens_removed", "opaque tokens are refused", BREAKING, NONE),
    ),
    (
        ("lifetime_raised", "a token that was stolen or outlived its grant works for longer", COMPATIBLE, REVIEW),
        ("lifetime_lowered", "tokens in flight that live longer are refused", BREAKING, NONE),
    ),
    (
        (
            "sender_constraint_relaxed",
            "tokens are accepted that were refused: unbound ones, which a thief can use, or bound ones",
            COMPATIBLE,
            REVIEW,
        ),
        (
            "sender_constraint_tightened",
            "tokens in flight are refused: bound ones, or unbound ones",
            BREAKING,
            NONE,
        ),
    ),
    (
        ("undeclared_relaxed", "tokens with undeclared claims are accepted", COMPATIBLE, REVIEW),
        ("undeclared_tightened", "tokens with undeclared claims are refused", BREAKING, NONE),
    ),
    (
        ("tombstone_dropped", "a removed name may come back with another meaning", COMPATIBLE, REVIEW),
        ("tombstone_added", "a name may never come back", COMPATIBLE, NONE),
    ),
    (
        ("request_relaxed", "requests are accepted that the contract did not declare", COMPATIBLE, ASKED),
        ("request_tightened", "callers that send such requests get 400", BREAKING, ASKED),
    ),
    (
        ("time_added", "rules guarded by `context.time` start to apply", COMPATIBLE, ASKED),
        ("time_removed", "rules that read the time no longer find it", BREAKING, ASKED),
    ),
    (
        ("consumer_added", "another consumer relies on the contract", COMPATIBLE, NONE),
        ("consumer_removed", "no one says any more whom a change touches", WARNING, NONE),
    ),
)
_ALONE: tuple[tuple[str, str, str, str], ...] = (
    ("claim_renamed", "readers of the old name no longer find the claim", BREAKING, ASKED),
    ("claim_replaced", "readers of the name find the value of another claim", BREAKING, ASKED),
    ("claim_moved", "policies find the claim elsewhere, under `input.subject.actor` or the claims", COMPATIBLE, ASKED),
    ("claim_retyped", "a consumer reads another type than it was written for", BREAKING, ASKED),
    ("claim_cardinality_changed", "one value became a list, or a list one value", BREAKING, ASKED),
    ("pattern_changed", "strings of another form arrive", BREAKING, ASKED),
    ("format_changed", "strings of another format arrive", BREAKING, ASKED),
    ("step_changed", "numbers of another step arrive", BREAKING, ASKED),
    ("source_changed", "the claim is read at another place of the token, or otherwise", BREAKING, ASKED),
    ("time_zone_changed", "rules find date, weekday and minutes of another zone", BREAKING, ASKED),
    ("issuer_changed", "tokens of another issuer are accepted", BREAKING, REVIEW),
    ("audience_changed", "tokens for another audience are accepted", BREAKING, REVIEW),
    ("token_profile_changed", "another kind of token is accepted", BREAKING, REVIEW),
    ("decision_rule_changed", "another rule decides", COMPATIBLE, ASKED),
    ("decision_answer_changed", "the decision is read at another place of the answer", COMPATIBLE, ASKED),
    ("tombstone_reused", "a removed name comes back, and old rules read it with its old meaning", BREAKING, REVIEW),
    ("claim_removed_without_tombstone", "the removed name could come back with another meaning", WARNING, NONE),
    ("consumer_affected", "a consumer relies on a claim that changes under it", WARNING, NONE),
    ("strict_consumer_broken", "a strict consumer breaks on a claim that it does not know", BREAKING, NONE),
    ("version_too_small", "the version number promises less than the change does", BREAKING, NONE),
)
RULES: dict[str, ChangeRule] = {
    **{rule[0]: ChangeRule(*rule, mirror=other[0]) for pair in _PAIRS for rule, other in (pair, pair[::-1])},
    **{rule[0]: ChangeRule(*rule, mirror=rule[0]) for rule in _ALONE},
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. path: its place in the document, joined by dots; claim: the claim that it touches, or empty."""

    rule: str
    path: str
    claim: str
    old: JSON
    new: JSON

    def fingerprint(self, contract: str, old_version: str, new_version: str) -> str:
        """What an approval accepts: the meaning of this change in this version step, never its wording."""
        meaning: dict[str, Any] = {
            "contract": contract,
            "from": old_version,
            "to": new_version,
            "rule": self.rule,
            "path": self.path,
            "old": self.old,
            "new": self.new,
        }
        return hashlib.sha256(rfc8785.dumps(meaning)).hexdigest()[:16]
