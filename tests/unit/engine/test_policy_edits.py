"""Where the new policies are not the old ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.engine import edits_of
from entitlements.engine.policy_edits import Edit

OLD = "package a\n\n# about b\nb if input.x\n\nc if input.y\n"


@pytest.mark.parametrize(
    ("new", "edits"),
    [
        (OLD.replace("input.x", "input.z"), (Edit((4, 4), (4, 4)),)),
        (OLD + "\nd := 1\n", (Edit((7, 6), (8, 8)),)),
        (OLD.replace("b if input.x\n", ""), (Edit((4, 4), (5, 3)),)),
        (OLD.replace("\nc if input.y\n", ""), (Edit((5, 6), (4, 4)),)),
        (OLD.replace("about b", "of b").replace("input.y", "input.z"), (Edit((6, 6), (6, 6)),)),
        (OLD.replace("about b", "of b"), (Edit((3, 3), (3, 3)),)),
    ],
    ids=["replaced", "added", "gone", "gone_at_the_end", "comment_beside", "comment_alone"],
)
def test_an_edit_tells_the_lines_of_both_sides(tmp_path: Path, new: str, edits: tuple[Edit, ...]) -> None:
    for name, text in (("old", OLD), ("new", new)):
        (tmp_path / name / "a").mkdir(parents=True)
        (tmp_path / name / "a" / "a.rego").write_text(text)
        (tmp_path / name / "a" / "data.json").write_text("{}")
    assert edits_of(tmp_path / "old", tmp_path / "new") == {"a/a.rego": edits}


def test_a_new_file_is_an_edit_of_all_its_lines(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name / "a").mkdir(parents=True)
    (tmp_path / "new" / "a" / "a.rego").write_text(OLD)
    (tmp_path / "old" / "a" / "b.rego").write_text("package a\n")
    assert edits_of(tmp_path / "old", tmp_path / "new") == {"a/a.rego": (Edit((1, 0), (1, 6)),)}
    assert edits_of(tmp_path / "old", tmp_path / "old") == {}
