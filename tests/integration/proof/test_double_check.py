"""A second solver confirms what an answer rests on; where it contradicts there is none, and both queries are kept."""

from __future__ import annotations

import contextlib
import datetime
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema_rs
import pytest

from entitlements.checking.formats import markdown, text
from entitlements.checking.record import make_record, parse_record, record_bytes
from entitlements.checking.sarif import sarif
from entitlements.checking.step import Report, Step, check_step
from entitlements.cli.policy import code_of
from entitlements.contract import load_file
from entitlements.engine import Opa
from entitlements.errors import StartupFault
from entitlements.proof import PROVED, REFUTED, UNKNOWN, Effort, SecondSolver, Side, compare_access
from entitlements.proof.symbolic.smt import second_process
from entitlements.proof.symbolic.smt.second_solver import second_solver, standard
from entitlements.proof.symbolic.smt.solver import SAT, UNDECIDED, UNSAT, Solved, Solver, SolverFailed
from entitlements.schema_files import schema_text
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  roles: {{required: true, schema: {{type: array, maxItems: 20, items: {{enum: [guest, editor, auditor]}}}}}}
  name: {{required: true, schema: {{type: string, maxLength: 12, pattern: "^[a-z]+(-[a-z0-9]+)*$"}}}}
  level: {{required: true, schema: {{type: integer, minimum: 0, maximum: 90}}}}
request:
  actions: [read, write]
  resources: {{item: {{properties: {{owner: {{type: string, maxLength: 20}}}}}}}}
""",
    rule="allow",
)
HEAD = "package shop.authz\n\ndefault allow := false\n\n"
NAME, ROLES, LEVEL = (f"input.subject.claims.{one}" for one in ("name", "roles", "level"))
OWNER = "input.resource.properties.owner"
# What allows before, and what allows less after.
NARROWER = {
    "members": (f'"editor" in {ROLES}', f'"editor" in {ROLES}\n\tnot "guest" in {ROLES}'),
    "prefix": (f'startswith({NAME}, "team-")', f'startswith({NAME}, "team-a")'),
    "pattern": (f'startswith({NAME}, "ops-")', f"regex.match(`^ops-[0-9]+$`, {NAME})"),
    "numbers": (f"{LEVEL} >= 20", f"({LEVEL} * 2) + 1 >= 41"),
    "two strings": (f"{OWNER} == {NAME}", f'{OWNER} == {NAME}\n\t{NAME} != "ops"'),
}


def side(folder: Path, version: int, condition: str) -> Side:
    policies = folder / f"policies-{version}"
    (policies / "shop" / "authz").mkdir(parents=True)
    (policies / "shop" / "authz" / "authz.rego").write_text(f"{HEAD}allow if {{\n\t{condition}\n}}\n")
    file = folder / f"{version}.0.0.yaml"
    file.write_text(CONTRACT.format(version=f"{version}.0.0"))
    contract = load_file(file, named=False).contract
    return Side(contract, policies, contract.decision_path)


class FakeSolver:
    """Behind the port of the second solver: the same answer to every query but the one that sees whether it answers."""

    version = "0.0"

    def __init__(self, answer: Solved) -> None:
        self._answer = answer
        self.asked: list[str] = []

    def solve(self, script: str, *, share: float = 1.0) -> Solved:
        self.asked.append(script)
        return Solved(UNSAT) if script == "(assert false)\n" else self._answer


def told_by(fake: FakeSolver, folder: Path) -> SecondSolver:
    return SecondSolver(folder, lambda: contextlib.nullcontext(fake))


def checked(folder: Path, opa: Opa, second: SecondSolver | None) -> Report:
    made = [side(folder, number, condition) for number, condition in enumerate(NARROWER["members"], start=1)]
    files = [load_file(folder / f"{number}.0.0.yaml", named=False) for number in (1, 2)]
    step = Step.of(files[0], files[1], (made[0].policies, made[1].policies))
    today = datetime.date(2026, 1, 1)
    return check_step(step, approvals=(), contracts=folder, today=today, opa=opa, effort=Effort(second=second))


@pytest.mark.parametrize("name", [*NARROWER])
def test_cvc5_confirms_the_proofs_of_a_fixed_set(name: str, tmp_path: Path, opa: Opa) -> None:
    old, new = (side(tmp_path, number, condition) for number, condition in enumerate(NARROWER[name], start=1))
    found = compare_access(old, new, opa=opa, effort=Effort(second=SecondSolver(tmp_path)))
    answer = found.no_new_access
    assert answer.double_check is not None
    assert (answer.answer, answer.double_check.agreed) == (PROVED, ("z3", "cvc5"))
    assert answer.double_check.confirmed >= 1
    assert found.evidence.versions["cvc5"]


def test_solver_that_contradicts_leaves_no_answer_and_both_queries(tmp_path: Path, opa: Opa) -> None:
    fake = FakeSolver(Solved(SAT))
    report = checked(tmp_path, opa, told_by(fake, tmp_path / "kept"))
    answer = report.access.no_new_access
    assert (answer.answer, answer.passes, answer.fingerprint, report.exit_code) == (UNKNOWN, False, "", 1)
    assert answer.double_check is not None
    file = answer.double_check.contradicted
    kept = Path(file).read_text()
    assert answer.reason.count(file) == 1
    assert [part.count(";") for part in kept.split("(reset)")] == [1, 1]
    assert fake.asked[1] in kept.split("(reset)")[1]
    assert "the solvers disagree" in text([report])
    assert "the solvers disagree" in markdown([report])
    assert json.loads(sarif([report]))["runs"][0]["invocations"][0]["exitCode"] == 1


def test_witnesses_that_opa_confirmed_stay_and_cannot_be_approved(tmp_path: Path, opa: Opa) -> None:
    answer = checked(tmp_path, opa, told_by(FakeSolver(Solved(SAT)), tmp_path)).access.no_lost_access
    witnesses = tuple(replace(one, approved=True) for one in answer.witnesses)
    assert (answer.answer, answer.disputed, bool(witnesses)) == (REFUTED, True, True)
    assert not replace(answer, witnesses=witnesses).passes


def test_comparison_of_policies_that_is_contradicted_has_exit_code_1(tmp_path: Path, opa: Opa) -> None:
    access = checked(tmp_path, opa, told_by(FakeSolver(Solved(SAT)), tmp_path)).access
    assert code_of(access) == 1
    assert code_of(replace(access, no_new_access=replace(access.no_new_access, double_check=None))) == 1


def test_both_queries_that_were_kept_ask_the_same(tmp_path: Path, opa: Opa) -> None:
    checked(tmp_path, opa, told_by(FakeSolver(Solved(SAT)), tmp_path / "kept"))
    file = min((tmp_path / "kept").iterdir())
    added = ("(check-sat)", "(set-logic ALL)")
    first, second = (
        "\n".join(line for line in half.splitlines() if not line.startswith(";") and line not in added)
        for half in file.read_text().split("(reset)\n")
    )
    with Solver(seconds=60) as solver:
        assert solver.solve(first).answer == UNSAT
    with second_solver(seconds=60) as solver:
        assert solver.solve(second).answer == UNSAT


def test_solver_without_an_answer_leaves_the_answer_and_is_counted(tmp_path: Path, opa: Opa) -> None:
    report = checked(tmp_path, opa, told_by(FakeSolver(Solved(UNDECIDED, reason="timeout")), tmp_path))
    answer = report.access.no_new_access
    assert (answer.answer, report.exit_code) == (PROVED, 0)
    assert answer.double_check is not None
    assert (answer.double_check.agreed, answer.double_check.confirmed) == (("z3",), 0)
    assert answer.double_check.not_confirmed == ("timeout",)
    assert "cvc5 0.0 confirmed 0 of 1 queries; not confirmed: timeout" in text([report])


def test_record_and_document_say_which_solvers_agreed(tmp_path: Path, opa: Opa) -> None:
    report = checked(tmp_path, opa, told_by(FakeSolver(Solved(UNSAT)), tmp_path))
    made = make_record(report, ("shop.authz/allow",) * 2, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    record = parse_record(record_bytes(made)[0], "x.proof.json")
    assert record["no_new_access"]["double_check"]["agreed"] == ["z3", "cvc5"]
    assert record["versions"]["cvc5"] == "0.0"
    jsonschema_rs.validator_for(json.loads(schema_text("record"))).validate(record)
    jsonschema_rs.validator_for(json.loads(schema_text("check"))).validate(report.as_json())


def test_without_a_second_solver_nothing_is_said_of_one(tmp_path: Path, opa: Opa) -> None:
    report = checked(tmp_path, opa, None)
    assert "double_check" not in json.dumps(report.as_json())
    assert "cvc5" not in report.access.evidence.versions


def test_second_solver_that_does_not_answer_is_an_error_before_anything_is_asked(tmp_path: Path, opa: Opa) -> None:
    class Silent(FakeSolver):
        def solve(self, script: str, *, share: float = 1.0) -> Solved:
            return Solved(UNDECIDED)

    with pytest.raises(SolverFailed):
        checked(tmp_path, opa, told_by(Silent(Solved(UNSAT)), tmp_path))


def test_folder_that_cannot_be_written_is_an_error(tmp_path: Path, opa: Opa) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupFault, match="cannot be written"):
        checked(tmp_path, opa, told_by(FakeSolver(Solved(SAT)), tmp_path / "file"))


def test_at_most_one_is_written_as_a_sum() -> None:
    script = "(declare-const v0 Bool)\n(declare-const v1 Bool)\n(assert ((_ at-most 1) v0 v1))\n"
    both, one = "(assert v0)\n(assert v1)\n", "(assert v0)\n(assert (not v1))\n"
    with second_solver(seconds=60) as solver:
        assert solver.solve(standard(script + both)).answer == UNSAT
        assert solver.solve(standard(script + one)).answer == SAT
        assert solver.solve(script + one).answer == UNDECIDED


@pytest.mark.parametrize("script", ["(assert", "(assert v9)", '(assert (= "a" 1))', "(assert ((_ at-most 2) true))"])
def test_query_that_cvc5_does_not_read_is_not_confirmed_and_no_error(script: str) -> None:
    with second_solver(seconds=60) as solver:
        solved = solver.solve(script)
        assert solved.answer == UNDECIDED
        assert solved.reason.startswith("cvc5 does not read the query: ")
        assert solver.solve("(assert false)\n").answer == UNSAT


def test_cvc5_that_gives_up_has_no_answer() -> None:
    # It does not decide whether there are whole numbers like these (Fermat).
    cubes = " ".join(f"(* {name} {name} {name})" for name in "ab")
    script = "".join(f"(declare-const {name} Int)\n(assert (< 0 {name}))\n" for name in "abc")
    with second_solver(seconds=0.3) as solver:
        solved = solver.solve(f"{script}(assert (= (+ {cubes}) (* c c c)))\n")
        assert (solved.answer, solved.reason[:12]) == (UNDECIDED, "cvc5 gave up")


def test_missing_package_is_told_with_what_to_install() -> None:
    # Without the packages that are installed.
    command = [sys.executable, "-I", "-S", second_process.__file__, "4096"]
    done = subprocess.run(command, input="{}\n", capture_output=True, text=True, timeout=60, check=True)
    assert "pip install 'entitlements[double-check]'" in json.loads(done.stdout)["fault"]


def test_answer_that_is_contradicted_cannot_be_approved(tmp_path: Path, opa: Opa) -> None:
    answer = checked(tmp_path, opa, told_by(FakeSolver(Solved(SAT)), tmp_path)).access.no_new_access
    assert not replace(answer, accepted=bool(answer.fingerprint)).passes
