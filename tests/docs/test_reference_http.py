"""docs/reference/openapi.yaml describes the routes, what they read, and what a running service answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from devkit.service import Issuer, contracts
from entitlements.errors import DecisionUnavailable
from entitlements.model import Decision
from entitlements.readiness import Readiness
from entitlements.web import create_app
from entitlements.web.problems import _DESCRIPTIONS, _ERRORS
from entitlements.web.schemas import (
    AUTHORIZE,
    BATCH,
    MAX_REQUESTS,
    ActionSchema,
    DPoPSchema,
    ProofSchema,
    QuestionSchema,
    ResourceSchema,
)

if TYPE_CHECKING:
    from tests.conftest import RunningService

ROOT = Path(__file__).resolve().parents[2]
API: dict[str, Any] = yaml.safe_load((ROOT / "docs/reference/openapi.yaml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs/reference/http.md").read_text(encoding="utf-8")
SHAPES = API["components"]["schemas"]
QUESTION: dict[str, Any] = {
    "audience": "https://orders.example.com",
    "action": "read",
    "resource": {"type": "order", "id": "42", "properties": {"tenant": "t_1"}},
}
AGENT = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}


class Unavailable:
    """A decision point that can decide nothing."""

    def decide(self, *_: object, **__: object) -> Decision:
        raise DecisionUnavailable("engine_unreachable", "OPA does not answer")


def application() -> Any:
    """The application with every route that it can have."""
    point: Any = Unavailable()
    return create_app(point, lambda: Readiness({}, {}), releases=dict, bundles_token="bundles-only-0123456789")


def validator(shape: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{shape}", "components": API["components"]})


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference represents, or the node itself."""
    found: dict[str, Any] = API if "$ref" in node else node
    for part in node.get("$ref", "#").split("/")[1:]:
        found = found[part]
    return found


def assert_documented(path: str, method: str, status: int, content_type: str, body: bytes) -> None:
    """Fail unless the document permits this answer of this address."""
    answer = resolved(API["paths"][path][method]["responses"][str(status)])
    media = content_type.partition(";")[0]
    schema = answer["content"][media]["schema"]
    if media == "application/json":
        Draft202012Validator({**schema, "components": API["components"]}).validate(json.loads(body))


def statuses() -> set[str]:
    return {status for path in API["paths"].values() for one in path.values() for status in one["responses"]}


def test_api_document_has_the_routes_and_methods_of_the_application() -> None:
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in application().url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert routes == {(path, method) for path, methods in API["paths"].items() for method in methods}


def test_http_page_names_every_route() -> None:
    named = re.findall(r"^\| `(\w+) (/\S+)` \|", PAGE, re.M)
    assert {(path, method.lower()) for method, path in named} == {
        (path, method) for path, methods in API["paths"].items() for method in methods
    }


def test_api_document_has_every_status_that_the_code_gives() -> None:
    web = "\n".join(file.read_text() for file in sorted((ROOT / "entitlements/web").glob("*.py")))
    given = {str(code) for code in _ERRORS} | set(
        re.findall(r"(?:Refused\(|problem\(\s*|status=|Response\([^,\n]+, )(\d{3})", web)
    )
    assert statuses() == given


def test_api_document_has_every_error_name_that_the_code_gives() -> None:
    door = (ROOT / "entitlements/web/server.py").read_text()
    names = {*_ERRORS.values(), "invalid_request", "internal_error", *re.findall(r'Refused\(4\d+, "(\w+)"', door)}
    assert set(SHAPES["Problem"]["properties"]["error"]["enum"]) == names
    assert set(SHAPES["TokenRefused"]["properties"]["error"]["enum"]) == _DESCRIPTIONS.keys()


def test_api_document_reads_the_members_that_the_service_reads() -> None:
    question = SHAPES["Question"]
    action = question["properties"]["action"]["oneOf"][1]
    _, dpop, mtls = question["properties"]["proof"]["oneOf"]
    for shape, schema in (
        (question, AUTHORIZE),
        (action, ActionSchema()),
        (question["properties"]["resource"], ResourceSchema()),
        (dpop["properties"]["dpop"], DPoPSchema()),
    ):
        assert shape["properties"].keys() == schema.fields.keys()
        assert set(shape["required"]) == {name for name, field in schema.fields.items() if field.required}
    assert {*dpop["properties"], *mtls["properties"]} == ProofSchema().fields.keys()
    batch, items = SHAPES["Batch"], SHAPES["Batch"]["properties"]["requests"]
    assert batch["properties"].keys() == BATCH.fields.keys()
    assert items["items"]["properties"].keys() == QuestionSchema().fields.keys()
    assert (items["maxItems"], f"up to {MAX_REQUESTS} requests" in PAGE) == (MAX_REQUESTS, True)


QUESTION_ALONE = {name: QUESTION[name] for name in ("action", "resource")}
QUESTIONS = {
    "good": (QUESTION, True),
    "an action as an object": ({**QUESTION, "action": {"name": "read", "properties": {"a": 1}}}, True),
    "a context": ({**QUESTION, "context": {"a": [1]}}, True),
    "no audience": ({name: value for name, value in QUESTION.items() if name != "audience"}, True),
    "a certificate": ({**QUESTION, "proof": {"mtls": {"x5t#S256": "A" * 43}}}, True),
    "a DPoP proof": ({**QUESTION, "proof": {"dpop": {"jwt": "a", "method": "GET", "url": "u"}}}, True),
    "both proofs": ({**QUESTION, "proof": {"mtls": {"x5t#S256": "A" * 43}, "dpop": {}}}, False),
    "no proof in it": ({**QUESTION, "proof": {}}, False),
    "a short thumbprint": ({**QUESTION, "proof": {"mtls": {"x5t#S256": "A" * 42}}}, False),
    "no action": ({"resource": QUESTION["resource"]}, False),
    "an empty action": ({**QUESTION, "action": ""}, False),
    "an action as a number": ({**QUESTION, "action": 1}, False),
    "an unknown member": ({**QUESTION, "more": 1}, False),
    "a resource as a string": ({**QUESTION, "resource": "order:42"}, False),
    "an id as a number": ({**QUESTION, "resource": {"type": "order", "id": 42}}, False),
    "a long id": ({**QUESTION, "resource": {"type": "order", "id": "4" * 1025}}, False),
    "a control character": ({**QUESTION, "action": "re\nad"}, False),
    "a list": ([QUESTION], False),
}


@pytest.mark.parametrize(("question", "good"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_api_document_and_service_refuse_the_same_questions(question: Any, good: bool) -> None:
    assert validator("Question").is_valid(question) is good
    assert (not AUTHORIZE.validate(question)) is good


BATCHES = {
    "one": ({"requests": [QUESTION_ALONE]}, True),
    "many": ({"audience": "a", "requests": [QUESTION_ALONE] * 100}, True),
    "a proof": ({"proof": {"mtls": {"x5t#S256": "A" * 43}}, "requests": [QUESTION_ALONE]}, True),
    "none": ({"requests": []}, False),
    "no list": ({"requests": QUESTION_ALONE}, False),
    "too many": ({"requests": [QUESTION_ALONE] * 101}, False),
    "an audience in a request": ({"requests": [QUESTION]}, False),
    "an unknown member": ({"requests": [QUESTION_ALONE], "more": 1}, False),
    "a request without an action": ({"requests": [QUESTION_ALONE, {"resource": QUESTION["resource"]}]}, False),
}


@pytest.mark.parametrize(("asked", "good"), BATCHES.values(), ids=BATCHES.keys())
def test_api_document_and_service_refuse_the_same_batches(asked: Any, good: bool) -> None:
    assert validator("Batch").is_valid(asked) is good
    assert (not BATCH.validate(asked)) is good


def raw(service: RunningService, first: str, body: bytes = b"", **headers: str) -> Any:
    lines = [f"{first} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return service.one("\r\n".join([*lines, "", ""]).encode() + body)


ANSWERS: dict[str, tuple[str, Any, dict[str, str], int]] = {
    "allow": ("/authorize", QUESTION, {}, 200),
    "by contract": ("/authorize/{contract}", {**QUESTION, "audience": None}, {}, 200),
    "deny": (
        "/authorize",
        {**QUESTION, "resource": {"type": "order", "id": "1", "properties": {"tenant": "t_2"}}},
        {},
        200,
    ),
    "no token": ("/authorize", QUESTION, {"Authorization": ""}, 401),
    "no good token": ("/authorize", QUESTION, {"Authorization": "Bearer a.b.c"}, 401),
    "no JSON": ("/authorize", None, {}, 400),
    "unknown member": ("/authorize", {**QUESTION, "more": 1}, {}, 400),
    "another type": ("/authorize", QUESTION, {"Content_Type": "text/plain"}, 415),
    "large": ("/authorize", {**QUESTION, "context": {"a": "a" * 70_000}}, {}, 413),
    "batch": (
        "/authorize/batch",
        {"audience": QUESTION["audience"], "requests": [QUESTION_ALONE, {**QUESTION_ALONE, "action": "fly"}]},
        {},
        200,
    ),
    "an empty batch": ("/authorize/batch", {"requests": []}, {}, 400),
    "a batch without a token": (
        "/authorize/batch",
        {"audience": "https://orders.example.com", "requests": [QUESTION_ALONE]},
        {"Authorization": ""},
        401,
    ),
    "a large batch": ("/authorize/batch", {"requests": [{**QUESTION_ALONE, "context": {"a": "a" * 530_000}}]}, {}, 413),
    "large headers": ("/authorize", QUESTION, {f"A{one}": "a" * 8_000 for one in range(3)}, 431),
}


@pytest.mark.parametrize(("path", "question", "headers", "status"), ANSWERS.values(), ids=ANSWERS.keys())
def test_decisions_of_a_running_service_are_as_the_document_says(
    service: RunningService, issuer: Issuer, path: str, question: Any, headers: dict[str, str], status: int
) -> None:
    token = issuer.token(contracts()["orders"], claims=AGENT, scopes=["orders:read"], subject="u_1")
    sent = {"Content_Type": "application/json", "Authorization": f"Bearer {token}", **headers}
    body = b"{" if question is None else json.dumps(question).encode()
    answer = raw(service, f"POST {path.replace('{contract}', 'orders')}", body, **sent)
    assert answer.status == status
    assert_documented(path, "post", status, answer.headers["content-type"][0], answer.body)


def test_violations_of_a_running_service_are_as_the_document_says(service: RunningService, issuer: Issuer) -> None:
    token = issuer.token(
        contracts()["orders"], claims={**AGENT, "suspended": "no"}, scopes=["orders:read"], subject="u_1"
    )
    sent = {"Content_Type": "application/json", "Authorization": f"Bearer {token}"}
    answer = raw(service, "POST /authorize", json.dumps(QUESTION).encode(), **sent)
    assert json.loads(answer.body)["violations"]
    validator("Decision").validate(json.loads(answer.body))


@pytest.mark.parametrize("forwarded", ["", "for=192.0.2.1"], ids=["here", "elsewhere"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_status_of_a_running_service_is_as_the_document_says(
    service: RunningService, path: str, forwarded: str
) -> None:
    answer = raw(service, f"GET {path}", **({"Forwarded": forwarded} if forwarded else {}))
    assert_documented(path, "get", answer.status, answer.headers["content-type"][0], answer.body)
    wrong = raw(service, f"POST {path}")
    assert wrong.status == 405
    assert_documented(path, "post" if "post" in API["paths"][path] else "get", 405, "application/json", wrong.body)


def test_unavailable_decision_is_as_the_document_says() -> None:
    answer = application().test_client().post("/authorize", json=QUESTION)
    assert answer.status_code == 503
    assert_documented("/authorize", "post", 503, answer.content_type, answer.data)


def test_decision_with_step_up_is_as_the_document_says() -> None:
    class Point:
        def decide(self, *_: object, **__: object) -> Decision:
            return Decision("d", False, ("step_up",), ({"id": "step_up"},))

    point: Any = Point()
    answer = create_app(point, lambda: Readiness({}, {})).test_client().post("/authorize", json=QUESTION)
    assert "www_authenticate" in answer.get_json()
    assert_documented("/authorize", "post", 200, answer.content_type, answer.data)
