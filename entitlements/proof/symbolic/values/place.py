"""Where something stands in a policy file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """File (relative to the policies), row and column, from 1; row 0 where OPA names none."""

    file: str
    row: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.row}" if self.row else self.file


NOWHERE = Place("", 0, 0)
