"""Where the new policies are not the old ones: where a reviewer sees what was edited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from entitlements.engine.policy_folder import policy_files


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of a file. old, new: first and last line, from 1 on, of what was replaced and of what replaces it.

    Where nothing is on a side, its last line is less than its first, which is the line that follows.
    """

    old: tuple[int, int]
    new: tuple[int, int]


def edits_of(old: Path, new: Path) -> Mapping[str, tuple[Edit, ...]]:
    """The edits of each file of the new folder that differs. Raises StartupFault where a folder cannot be read."""
    if old == new:
        return {}
    before, after = policy_files(old), policy_files(new)
    return {
        name: tuple(_edits(before.get(name, b""), text)) for name, text in after.items() if before.get(name) != text
    }


def _edits(old: bytes, new: bytes) -> Iterator[Edit]:
    """What was edited; comments and blank lines only where nothing else was."""
    one, other = old.splitlines(), new.splitlines()
    found = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    told = [(a, b, c, d) for kind, a, b, c, d in found if kind != "equal"]
    serious = [span for span in told if any(map(_says, one[span[0] : span[1]] + other[span[2] : span[3]]))]
    for a, b, c, d in serious or told:
        yield Edit((a + 1, b), (_line(other, c, d), d))


def _line(lines: Sequence[bytes], first: int, last: int) -> int:
    """The first line of an edit that says something, or that follows it; the last one represents the one after it."""
    limit = (last if first < last else len(lines)) - 1
    while first < limit and not lines[first].strip():
        first += 1
    return max(min(first + 1, len(lines)), 1)


def _says(line: bytes) -> bool:
    return bool(line.strip()) and not line.strip().startswith(b"#")
