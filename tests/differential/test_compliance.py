"""OPA's own compliance cases: the executor on constants gives what OPA's authors say, or says that it does not know.

A seeded sample in each run; `make compliance` runs them all and prints the figures.
"""

from __future__ import annotations

import os
import random
import subprocess

import pytest

from entitlements.engine import Opa

from .compliance import Case, fetch_cases, run_cases

SAMPLE = 150
ALL_AGREE = 2260
"""How many of all 2400 cases agree at least; the others are outside, each for a reason."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    try:
        return fetch_cases(tmp_path_factory.mktemp("opa"))
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"OPA's compliance cases cannot be fetched here: {error}")


def test_no_case_of_opa_differs(cases: list[Case], opa: Opa) -> None:
    everything = os.environ.get("COMPLIANCE") == "all"
    chosen = cases if everything else random.Random(7).sample(cases, SAMPLE)
    report = run_cases(chosen, opa)
    print(f"\n{len(chosen)} cases: {report.agree} agree, {len(chosen) - report.agree} outside or differing")
    for reason, times in report.outside.most_common():
        print(f"  {times:4} outside: {reason}")
    assert report.differ == []
    assert report.agree >= (ALL_AGREE if everything else 0.9 * SAMPLE)


def test_the_cases_are_the_pinned_version_s(cases: list[Case]) -> None:
    assert len(cases) == 2400
