"""Regular expressions and globs as SMT-LIB terms, as far as they mean the same to their reader and to the solver."""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Sequence as Parts

from entitlements.errors import NotFollowed
from entitlements.proof.symbolic.smt.globs import parse_glob
from entitlements.proof.symbolic.smt.regex_classes import RE2
from entitlements.proof.symbolic.smt.regex_nodes import (
    WORD,
    Alternation,
    Anchor,
    Boundary,
    Characters,
    Node,
    NotDecided,
    Range,
    Repeat,
    Sequence,
)
from entitlements.proof.symbolic.smt.regex_search import branches, first_is_word, last_is_word
from entitlements.proof.symbolic.smt.regex_syntax import parse

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
        return _union(list(dict.fromkeys(_around(branch) for branch in branches(parse(pattern, dialect)))))
    except NotDecided:
        return None


def smt_glob(pattern: str, delimiters: Collection[str]) -> str | None:
    """The language of all strings that a glob matches; None where it is not translated."""
    try:
        return _exactly(parse_glob(pattern, delimiters))
    except NotDecided:
        return None


def _around(parts: Parts[Node]) -> str:
    """Strings with a match of one branch somewhere: what stands before it and behind it, as it asserts."""
    start, end = 0, len(parts)
    while start < end and _at_the_start(parts[start]):
        start += 1
    while end > start and _at_the_end(parts[end - 1]):
        end -= 1
    inner, before, behind = parts[start:end], parts[:start], parts[end:]
    edges = first_is_word(inner), last_is_word(inner)
    front = [_asserted(one, edges[0], _before) for one in before]
    back = [_asserted(one, edges[1], _behind) for one in behind]
    found = [_both(front), *map(_exactly, inner), _both(back)]
    return _joined([one for one in found if one != _EMPTY])


def _at_the_start(node: Node) -> bool:
    return isinstance(node, Boundary) or (isinstance(node, Anchor) and node.start)


def _at_the_end(node: Node) -> bool:
    return isinstance(node, Boundary) or (isinstance(node, Anchor) and not node.start)


def _asserted(node: Node, is_word: bool | None, beside: Callable[[str], str]) -> str:
    """What stands on one side of a match, of which it is known whether a word character is next to it."""
    if isinstance(node, Anchor):
        return f"(re.union {_EMPTY} {beside(_range(10, 10))})" if node.line else _EMPTY
    if not isinstance(node, Boundary) or is_word is None:
        raise NotDecided
    if is_word != node.within:
        return f"(re.union {_EMPTY} {beside(_characters(WORD, negated=True))})"
    return beside(_characters(WORD, negated=False))


def _before(character: str) -> str:
    return f"(re.++ {_ANYTHING} {character})"


def _behind(character: str) -> str:
    return f"(re.++ {character} {_ANYTHING})"


def _both(languages: list[str]) -> str:
    unique = list(dict.fromkeys(languages))
    return _ANYTHING if not unique else unique[0] if len(unique) == 1 else f"(re.inter {' '.join(unique)})"


def _exactly(node: Node) -> str:
    """The strings that match from end to end."""
    match node:
        case Characters(ranges, negated):
            return _characters(ranges, negated=negated)
        case Sequence(parts):
            return _joined([_exactly(part) for part in parts])
        case Alternation(alternatives):
            return _union([_exactly(branch) for branch in alternatives])
        case Repeat(inner, least, most):
            return _repeated(_exactly(inner), least, most)
    # An assertion that does not stand at an end.
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
