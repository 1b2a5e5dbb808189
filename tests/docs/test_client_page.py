"""The page of the client: its examples run against a real service, and it names what there is."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from entitlements import client
from entitlements.client.asgi import ASGIGuard
from entitlements.client.flask import FlaskGuard
from entitlements.client.wsgi import WSGIGuard
from tests.conftest import RunningService
from tests.wire.conftest import AGENT, GOOD

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def namespace(service: RunningService) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {}
    for block in BLOCKS:
        source = block.replace("127.0.0.1:8080", "{}:{}".format(*service.address)).replace("timeout=0.5", "timeout=30")
        exec(compile(source, "client.md", "exec"), found)
    yield found
    found["pdp"].close()


@pytest.fixture(scope="module")
def token(issuer: Any) -> str:
    from devkit.service import contracts

    made: str = issuer.token(contracts()["orders"], claims=AGENT, scopes=["orders:read"])
    return made


def test_the_example_tells_the_answers_apart(namespace: dict[str, Any], token: str) -> None:
    answered = namespace["answered"]
    assert answered(token, {"id": "42", "tenant": "t_1"}) == (200, [])
    assert answered(token, {"id": "42", "tenant": "t_2"}) == (403, [])
    status, headers = answered(None, {"id": "42", "tenant": "t_1"})
    assert (status, headers[0][0]) == (401, "WWW-Authenticate")
    assert answered(token, {"id": "", "tenant": "t_1"}) == (500, [])


def test_the_example_of_a_batch_gives_what_may_be_read(namespace: dict[str, Any], token: str) -> None:
    orders = [{"id": str(number), "tenant": f"t_{number}"} for number in (1, 2)]
    assert namespace["readable"](token, orders) == orders[:1]
    assert namespace["readable"]("no token", orders) == []


def test_the_example_of_flask_guards_its_views(namespace: dict[str, Any], token: str) -> None:
    caller = namespace["app"].test_client()
    bearer = {"Authorization": f"Bearer {token}"}
    answers = [caller.get(f"/orders/{number}", headers=bearer).status_code for number in (42, 43, 44)]
    assert answers == [200, 403, 404]
    assert [caller.get(path).status_code for path in ("/orders/42", "/health")] == [401, 200]


def test_the_page_names_every_argument_of_the_guards() -> None:
    for kind in (FlaskGuard, WSGIGuard, ASGIGuard):
        for name in inspect.signature(kind).parameters:
            assert f"`{name}`" in PAGE or f"{name}=" in PAGE or f"{name}," in PAGE, name


def test_the_example_of_asyncio_works(namespace: dict[str, Any], token: str) -> None:
    found = [asyncio.run(namespace["may_read"](token, {"id": "42", "tenant": tenant})) for tenant in ("t_1", "t_2")]
    assert found == [True, False]


def test_the_page_names_every_answer_and_argument() -> None:
    for kind in (*get_args(client.Answer), client.Batch, client.Question):
        assert f"`{kind.__name__}" in PAGE, kind
    for name in inspect.signature(client.Client).parameters:
        assert f"`{name}`" in PAGE, name


def test_the_page_and_its_examples_ask_by_the_audience_of_the_orders() -> None:
    assert GOOD["audience"] in BLOCKS[0]
