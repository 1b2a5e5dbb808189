"""What policies see of the actor exists in the proof: a read of it is proved, refuted or unknown, never overlooked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract.loader import parse_contract
from entitlements.engine import Opa
from entitlements.proof import METHOD, PROOF, PROVED, REFUTED, UNKNOWN, Access, Effort, Side, compare_access
from entitlements.proof.kinds import meaning
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [user, admin]}}}}
  act: {act}
request:
  actions: [read]
  resources: {{item: {{properties: {{owner: {{enum: [a, b]}}}}}}}}
""",
    rule="allow",
)
HEAD = "package shop.authz\n\ndefault allow := false\n\n"


def act(*subjects: str, actor: bool = True, required: bool = False, prior: bool = False) -> str:
    schema: dict[str, Any] = {"type": "object", "properties": {"sub": {"enum": [*subjects]}}, "required": ["sub"]}
    if prior:
        schema["properties"]["act"] = {
            "type": "object",
            "properties": {"sub": {"enum": ["batch"]}},
            "required": ["sub"],
        }
    return json.dumps({"actor": actor, "required": required, "schema": schema})


GATEWAY, BOTH = act("gateway"), act("gateway", "batch")
REQUIRED, PLAIN, CHAIN = act("gateway", required=True), act("gateway", actor=False), act("gateway", prior=True)
ONE = HEAD + 'allow if input.subject.actor.sub == "gateway"\n'
ANY = HEAD + "allow if input.subject.actor\n"
NOT_BATCH = HEAD + 'allow if {\n\tinput.subject.actor\n\tnot input.subject.actor.sub == "batch"\n}\n'
DIRECT = HEAD + "allow if not input.subject.actor\n"
AMONG = HEAD + "allow if not input.subject.claims.act\n"
BY_NAME = HEAD + 'allow if object.get(input.subject, "actor", null) == null\n'
COUNTED = HEAD + "allow if count(input.subject) == 7\n"
PRIOR = HEAD + 'allow if object.get(input.subject, ["actor", "act", "sub"], "none") == "batch"\n'
STEPS: dict[str, tuple[str, str, str, str, str, str]] = {
    # contracts before and after, policies before and after, no new access, no lost access
    "one more actor, of a policy that names one": (GATEWAY, BOTH, ONE, ONE, PROVED, REFUTED),
    "one more actor, of a policy that lets any in": (GATEWAY, BOTH, ANY, ANY, REFUTED, PROVED),
    "one more actor, of a policy that forbids another": (act("batch"), BOTH, NOT_BATCH, NOT_BATCH, REFUTED, PROVED),
    "any actor where one was named": (BOTH, BOTH, ONE, ANY, REFUTED, PROVED),
    "the actor is required": (GATEWAY, REQUIRED, DIRECT, DIRECT, PROVED, REFUTED),
    "the actor may be absent": (REQUIRED, GATEWAY, DIRECT, DIRECT, REFUTED, PROVED),
    "the claim moves away from where a denial waits": (
        PLAIN,
        GATEWAY,
        AMONG,
        AMONG,
        REFUTED,
        PROVED,
    ),
    "the claim moves to where an allow waits": (PLAIN, GATEWAY, ANY, ANY, REFUTED, PROVED),
    "a read by a computed path": (REQUIRED, GATEWAY, BY_NAME, BY_NAME, REFUTED, PROVED),
    "a count of what the subject has": (GATEWAY, REQUIRED, COUNTED, COUNTED, REFUTED, PROVED),
    "prior actors are never seen": (
        CHAIN,
        CHAIN,
        PRIOR,
        PRIOR,
        PROVED,
        PROVED,
    ),
    "nothing changes": (GATEWAY, GATEWAY, ANY, ANY, PROVED, PROVED),
}


@pytest.fixture
def compare(tmp_path: Path, opa: Opa) -> Any:
    def compared(acts: tuple[str, str], policies: tuple[str, str], method: str) -> Access:
        sides = []
        for number, policy in enumerate(policies):
            folder = tmp_path / f"p{number}"
            (folder / "shop/authz").mkdir(parents=True, exist_ok=True)
            (folder / "shop/authz/authz.rego").write_text(policy)
            text = CONTRACT.format(version=f"{number + 1}.0.0", act=acts[number])
            contract = parse_contract(text, Path("c.yaml"), named=False)
            sides.append(Side(contract, folder, contract.decision_path))
        return compare_access(*sides, opa=opa, effort=Effort(method))

    return compared


@pytest.mark.parametrize("method", [PROOF, METHOD])
@pytest.mark.parametrize("name", STEPS)
def test_step_of_the_actor_is_answered_rightly(compare: Any, name: str, method: str) -> None:
    old, new, before, after, gained, lost = STEPS[name]
    access = compare((old, new), (before, after), method)
    found = access.no_new_access.answer, access.no_lost_access.answer
    if method == PROOF:
        assert found == (gained, lost), access
    else:
        # Points alone may not be all there is; what they say is never the opposite.
        assert all(one in (wanted, UNKNOWN) for one, wanted in zip(found, (gained, lost), strict=True)), access


def test_meaning_of_a_witness_says_where_policies_see_the_claim() -> None:
    """What was approved of a claim is not what was approved of the actor."""
    plain, shown = (
        parse_contract(CONTRACT.format(version="1.0.0", act=text), Path("c.yaml"), named=False)
        for text in (PLAIN, GATEWAY)
    )
    found = frozenset({("act", "+", "")})
    assert meaning(plain, shown, found) != meaning(plain, plain, found) != meaning(shown, shown, found)
