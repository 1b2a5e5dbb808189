"""Before any answer: what the walk through a policy found, held against OPA on inputs that are drawn at random."""

from __future__ import annotations

from fractions import Fraction

from entitlements.engine import BatchEngine
from entitlements.errors import ProofFailed
from entitlements.model import Verdict
from entitlements.proof.symbolic.model import Chance, NotKnown
from entitlements.proof.symbolic.question import Question
from entitlements.proof.symbolic.terms import INT, REAL, TEXT, Term, subterms

_TRIALS = 64


class ModelMismatch(ProofFailed):
    """The walk and OPA decide differently: a defect of ours. Nothing is proved as long as it stands."""


def mismatch(what: str) -> ModelMismatch:
    """The fault, with what showed it."""
    return ModelMismatch(
        "model_mismatch", f"{what} by OPA than by the proof: this is a defect of entitlements, nothing is proved"
    )


def try_against_opa(question: Question, engines: tuple[BatchEngine, BatchEngine]) -> None:
    """Raises ModelMismatch where OPA decides an input differently."""
    terms = [question.walked[side].allowed for side in (0, 1)]
    everything = [*terms, *question.inputs.facts, question.sides.related]
    chance = _chance(everything)
    sizes = {term.args[0]: term.args[2] for term in subterms(everything) if term.op == "choice"}
    assignments = [chance.assignment(sizes, question.decide_text) for _ in range(_TRIALS)]
    for side in (1,) if question.same_policy and terms[0] is terms[1] else (0, 1):
        walked = question.walked[side]
        tried = []
        for assignment in assignments:
            try:
                # Where something fails, OPA gives no decision, or does not come to evaluate it.
                expected = {assignment.of(walked.allowed)} | ({assignment.of(walked.allow)} if walked.errors else set())
                tried.append((assignment.document(question.sides.document(side)), expected))
            except NotKnown:
                continue
        verdicts = engines[side].decide([document for document, _ in tried])
        if any(_allows(verdict) not in expected for (_, expected), verdict in zip(tried, verdicts, strict=True)):
            raise mismatch("an input drawn at random is decided differently")


def _allows(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.allow is True


def _chance(terms: list[Term]) -> Chance:
    """Random assignments that meet the constants of the policies often."""
    texts: dict[str, None] = {}
    numbers: dict[int | Fraction, None] = {}
    for term in subterms(terms):
        if term.op == "const" and term.sort == TEXT:
            texts[term.args[0]] = None
        elif term.op == "const" and term.sort in (INT, REAL):
            numbers[term.args[0]] = None
    return Chance(1, list(texts), list(numbers))
