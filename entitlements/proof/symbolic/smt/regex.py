"""Regular expressions as SMT-LIB terms, as far as they mean the same to their reader and to the solver."""

from __future__ import annotations

from entitlements.errors import NotFollowed
from entitlements.proof.symbolic.smt.regex_nodes import Alternation, Anchor, Characters, Node, Range, Repeat, Sequence
from entitlements.proof.symbolic.smt.regex_syntax import RE2, NotDecided, parse

_ANYTHING = "(re.* re.allchar)"
_EMPTY = '(str.to_re "")'
# Characters of SMT-LIB end here, those of Unicode do not: nothing is said of a string compared with one beyond.
_LAST_CHARACTER = 0x2FFFF


def string_literal(value: str) -> str:
    """A string as an SMT-LIB literal. Raises NotFollowed where it holds a character that the solver does not know."""
    if any(ord(character) >= _LAST_CHARACTER for character in value):
        raise NotFollowed("text_not_followed", "a string holds a character that the solver does not know")
    return '"' + "".join(_escaped(character) for character in value) + '"'


def _escaped(character: str) -> str:
    if character == '"':
        return '""'
    return character if " " <= character <= "~" and character != "\\" else f"\\u{{{ord(character):x}}}"


def smt_regex(pattern: str, dialect: str = RE2) -> str | None:
    """The language of all strings that hold a match of a pattern somewhere; None where it is not translated."""
    try:
        return _around(parse(pattern, dialect))
    except NotDecided:
        return None


def _around(node: Node) -> str:
    """Strings with a match somewhere: anchors count at the ends of a branch only."""
    if isinstance(node, Alternation):
        return _union([_around(branch) for branch in node.branches])
    parts = list(node.parts) if isinstance(node, Sequence) else [node]
    if len(parts) == 1 and isinstance(parts[0], Alternation):
        return _around(parts[0])
    front = back = _ANYTHING
    while parts and parts[0] == Anchor(start=True):
        front, parts = "", parts[1:]
    while parts and parts[-1] == Anchor(start=False):
        back, parts = "", parts[:-1]
    return _joined([one for one in (front, *map(_exactly, parts), back) if one])


def _exactly(node: Node) -> str:
    """The strings that match from end to end."""
    match node:
        case Characters(ranges, negated):
            return _characters(ranges, negated=negated)
        case Sequence(parts):
            return _joined([_exactly(part) for part in parts])
        case Alternation(branches):
            return _union([_exactly(branch) for branch in branches])
        case Repeat(inner, least, most):
            return _repeated(_exactly(inner), least, most)
    # An anchor that does not stand at an end.
    raise NotDecided


def _joined(parts: list[str]) -> str:
    if not parts:
        return _EMPTY
    return parts[0] if len(parts) == 1 else f"(re.++ {' '.join(parts)})"


def _union(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"(re.union {' '.join(parts)})"


def _repeated(body: str, least: int, most: int | None) -> str:
    if most is not None:
        return f"((_ re.loop {least} {most}) {body})"
    if least == 0:
        return f"(re.* {body})"
    return f"(re.+ {body})" if least == 1 else f"(re.++ ((_ re.^ {least}) {body}) (re.* {body}))"


def _characters(ranges: tuple[Range, ...], *, negated: bool) -> str:
    if not ranges:
        return "re.allchar" if negated else "re.none"
    union = _union([_range(*ends) for ends in ranges])
    return f"(re.inter re.allchar (re.comp {union}))" if negated else union


def _range(low: int, high: int) -> str:
    if low == high:
        return f"(str.to_re {string_literal(chr(low))})"
    return f"(re.range {string_literal(chr(low))} {string_literal(chr(high))})"
