"""P11: many requests of different subjects at once; each answer and each line of the log is its own subject's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService
    from tests.wire.conftest import Wire

SUBJECTS = 40
ROUNDS = 10


def test_parallel_answers_are_never_those_of_another_subject(service: RunningService, wire: Wire) -> None:
    """Each subject may change its own order only, asks for its own and its neighbour's, and has a tenant of its own."""
    before = len(service.rows())
    tokens = {
        number: wire.token_of(
            f"s{number}",
            claims={"tenant": f"t_{number}", "roles": ["agent"], "suspended": number % 5 == 0},
            scopes=["orders:write"],
        )
        for number in range(SUBJECTS)
    }

    def ask(case: int) -> tuple[int, int, Reply]:
        number, shift = case % SUBJECTS, case // SUBJECTS % 2
        owner = (number + shift) % SUBJECTS
        properties = {"tenant": f"t_{number}", "owner": f"s{owner}"}
        resource = {"type": "order", "id": f"o{number}.{owner}", "properties": properties}
        data = wire.ask(
            f"X-Request-ID: {case}".encode(),
            body=wire.body(action="update", resource=resource),
            bearer=f"Authorization: Bearer {tokens[number]}".encode(),
        )
        return number, shift, service.one(data)

    with ThreadPoolExecutor(32) as pool:
        answered = list(pool.map(ask, range(SUBJECTS * ROUNDS)))
    rows = {row["decision_id"]: row for row in service.rows()[before:]}
    assert len(rows) == len(answered) == SUBJECTS * ROUNDS
    for case, (number, shift, reply) in enumerate(answered):
        wanted = [*(["not_owner"] if shift else []), *(["subject_suspended"] if number % 5 == 0 else [])]
        body = reply.json()
        assert reply.status == 200
        assert body["reasons"] == wanted
        assert body["decision"] is (not wanted)
        assert reply.headers["x-request-id"] == [str(case)]
        row = rows[body["decision_id"]]
        assert (row["subject"], row["request_id"]) == (f"s{number}", str(case))
        assert row["effect"] == ("deny" if wanted else "allow")
        assert row["resource_id"] == f"o{number}.{(number + shift) % SUBJECTS}"
