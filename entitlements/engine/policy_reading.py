"""What policies read of their input, how, and what they compare with: told by OPA's own parser, with file and line.

The reading is for people and for the choice of values to try. It errs to the side of reading too much: what cannot be
followed (a whole object handed to a function, a computed key) counts as a read of everything below it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entitlements.engine.data_files import read_data
from entitlements.engine.opa import Opa
from entitlements.engine.policy_files import check_files
from entitlements.engine.policy_folder import policy_files
from entitlements.engine.policy_module import Constant, PolicyModule, Read, RuleLines
from entitlements.engine.policy_terms import InputPath
from entitlements.errors import Fault, StartupFault
from entitlements.model import JSON


@dataclass(frozen=True)
class PolicyReading:
    """What the policies of one folder read, the scalars that stand in them and in their data, and where rules stand.

    alone: file and line of comprehensions that stand alone as a statement.
    """

    reads: tuple[Read, ...]
    constants: Mapping[str, frozenset[Constant]] = field(repr=False)
    rules: tuple[RuleLines, ...] = field(repr=False)
    files: Mapping[str, tuple[InputPath, frozenset[InputPath]]] = field(repr=False)
    alone: tuple[tuple[str, int], ...] = ()

    def needed(self, decision_path: str) -> frozenset[str]:
        """The files that a decision can depend on: those of its package, and of all that they refer to."""
        wanted = {tuple(decision_path.split("/")[:-1])}
        found: set[str] = set()
        while True:
            more = {
                name
                for name, (place, _) in self.files.items()
                if name not in found and any(_related(place, path) for path in wanted)
            }
            if not more:
                return frozenset(found)
            found |= more
            wanted |= {path for name in more for path in self.files[name][1]}

    def only(self, files: Collection[str]) -> PolicyReading:
        """The reading of some of the files."""
        return PolicyReading(
            tuple(read for read in self.reads if read.file in files),
            {name: found for name, found in self.constants.items() if name in files},
            tuple(rule for rule in self.rules if rule.file in files),
            {name: place for name, place in self.files.items() if name in files},
            tuple(place for place in self.alone if place[0] in files),
        )

    @property
    def scalars(self) -> list[JSON]:
        """The constants themselves, in a stable order."""
        every = frozenset[Constant]().union(*self.constants.values())
        return [value for _, value in sorted(every, key=lambda pair: (pair[0].__name__, str(pair[1])))]


def read_policies(opa: Opa, folder: Path) -> PolicyReading:
    """Read every policy file of a folder but tests. Raises StartupFault `policy_invalid`."""
    return read_files(opa, policy_files(folder), folder)


def read_files(opa: Opa, files: Mapping[str, bytes], folder: Path) -> PolicyReading:
    """The same of files that were read already."""
    check_files(files, folder, [], opa)
    return opa.kept("reading", files, lambda: _reading(opa, files, folder))


def _reading(opa: Opa, found: Mapping[str, bytes], folder: Path) -> PolicyReading:
    reads: list[Read] = []
    constants: dict[str, frozenset[Constant]] = {}
    rules: list[RuleLines] = []
    alone: list[tuple[str, int]] = []
    files: dict[str, tuple[InputPath, frozenset[InputPath]]] = {}
    documents = read_data(found, folder)
    for name, content in found.items():
        if not name.endswith(".rego"):
            constants[name] = frozenset(_scalars(documents[name]))
            files[name] = tuple(name.split("/")[:-1]), frozenset()
            continue
        module = _parse(opa, folder, name, content)
        reader = PolicyModule(name, module)
        reads += reader.reads()
        rules += reader.rules()
        constants[name] = frozenset(reader.constants())
        files[name] = reader.package(), reader.references()
        alone += [(name, line) for line in reader.comprehensions_alone()]
    return PolicyReading(tuple(reads), constants, tuple(rules), files, tuple(alone))


def rule_lines(opa: Opa, file: Path, content: bytes) -> list[RuleLines]:
    """Where the rules of one file stand. Raises StartupFault `policy_invalid`."""
    return PolicyModule(file.name, _parse(opa, file.parent, file.name, content)).rules()


def _related(one: InputPath, other: InputPath) -> bool:
    """Whether one path lies within the other."""
    short = min(len(one), len(other))
    return one[:short] == other[:short]


def _parse(opa: Opa, folder: Path, name: str, content: bytes) -> dict[str, Any]:
    module = opa.parse(content)
    if module is None:
        raise StartupFault(
            "policy_invalid", "the policies cannot be parsed", [Fault("policy_invalid", "no Rego", str(folder / name))]
        )
    return module


def _scalars(value: Any) -> Iterator[Constant]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str, str(key)
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif isinstance(value, (str, bool, int, float)):
        yield type(value), value
