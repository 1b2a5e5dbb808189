"""What a decision path is: the names of a package and a rule. Only a constant of a contract is one, never input."""

from __future__ import annotations

import re

DECISION_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z_][A-Za-z0-9_]*)+")
