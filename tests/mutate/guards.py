"""Guards that once could be taken away without a test that noticed it, or only with a slow one."""

from __future__ import annotations

from tests.mutate.mutation import Mutation

GUARDS = (
    Mutation(
        "self-check-off",
        "proof/symbolic/self_check.py",
        "for side in (1,) if same_decisions else (0, 1):\n        _try_side(",
        "for side in ():\n        _try_side(",
        ("tests/integration/proof/test_self_check.py",),
        "a defect of symbolic execution would be proved",
    ),
    Mutation(
        "self-check-forgets-unread-claims",
        "proof/symbolic/smt/assignment.py",
        "self._choices[args[0]] = self._pick(args[2])",
        "self._choices[args[0]] = 0",
        ("tests/integration/proof/test_self_check.py",),
        "a policy that symbolic execution takes to ignore a claim is never tried with other values of it",
    ),
    Mutation(
        "long-lists-of-reasons-are-no-doubt",
        "proof/symbolic/execution/verdict.py",
        "conj(guard, less(number(most), size)))",
        "FALSE)",
        ("tests/unit/proof/symbolic/execution/test_verdict.py",),
        "a decision that the service refuses to read counts as an allow of before",
    ),
    Mutation(
        "conflict-needs-one-element",
        "proof/symbolic/encode.py",
        "more = added(more, more) if executed.errors else more",
        "more = added(more, 0)",
        ("tests/unit/proof/symbolic/test_element_count.py",),
        "a conflict of two values of a rule that needs four elements of a list is not seen: a false proof",
    ),
    Mutation(
        "no-second-encoding",
        "proof/symbolic/session.py",
        "if solved.answer == UNDECIDED and query.patterned:",
        "if solved.answer == UNDECIDED and not query.patterned:",
        ("tests/unit/proof/symbolic/test_session.py",),
        "questions about strings time out that the other encoding answers",
    ),
    Mutation(
        "late-requests-are-served",
        "web/server.py",
        "if self._clock() - arrived > _WAIT_SECONDS:",
        "if self._clock() < arrived:",
        ("tests/unit/web/test_door.py::test_request_that_waited_too_long_for_a_thread_is_not_served",),
        "under load every answer comes too late",
    ),
    Mutation(
        "records-compared-without-bounds",
        "checking/record.py",
        '"method", "bounds", "approximations"',
        '"method", "approximations"',
        ("tests/unit/checking/test_record_differences.py",),
        "`contract verify` says the same of a weaker proof",
    ),
    Mutation(
        "element-counted-once-in-a-negation",
        "proof/symbolic/values/precision.py",
        "self._outer += len(chain)",
        "self._outer += 0",
        ("tests/unit/proof/symbolic/values/test_precision.py",),
        "of a list that is read within a neg in a loop one element is looked at: a false proof",
    ),
    Mutation(
        "what-fails-is-always-reached",
        "proof/symbolic/prover.py",
        "goals = [question.possibly_allowed(self._allows), neg(question.allowed(self._denies))]",
        "goals = [question.allowed(self._allows), neg(question.allowed(self._denies))]",
        (
            "tests/integration/proof/test_traps.py::test_trap_4_errors_of_built_ins_are_no_decision"
            "[a-type-that-fails-after]",
        ),
        "OPA may stop before the call that fails, and allow: a false proof",
    ),
    Mutation(
        "fingerprint-without-policies",
        "proof/witnesses.py",
        'meaning["policies"] = [engine.revision for engine in self._engines]',
        'meaning["policies"] = []',
        ("tests/integration/proof/test_kinds.py::test_an_approval_of_one_change_of_policies_does_not_cover_the_next",),
        "an approval of one change of policies covers the next one",
    ),
    Mutation(
        "any-revision-decides",
        "pdp.py",
        'if pair.revision not in ("", verdict.revision):',
        "if not verdict.revision:",
        ("tests/unit/test_pdp.py",),
        "policies that were not proved with these contracts decide",
    ),
    Mutation(
        "release-of-other-files",
        "deployment/truth.py",
        "if made.bundle() == state.release.bundle():",
        "if made.bundle():",
        ("tests/unit/deployment/test_bases.py::test_files_that_were_edited_after_the_lock_are_told_with_their_name",),
        "a lock of other policies than those of the folder passes CI",
    ),
    Mutation(
        "two-locks-in-one-branch",
        "deployment/truth.py",
        "faults += continuity_faults(",
        "continuity_faults(",
        ("tests/unit/deployment/test_bases.py::test_two_locks_in_one_branch_are_found_where_they_are_merged",),
        "a lock that was not checked against the one before it passes CI",
    ),
)
