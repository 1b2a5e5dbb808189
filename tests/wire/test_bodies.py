"""H8, H9, H11: the body is strict JSON of one shape and one media type, or 400 and 415; never a decision."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService
    from tests.wire.conftest import Wire

ORDER: dict[str, Any] = {"type": "order", "id": "42", "properties": {"tenant": "t_1"}}
GOOD = json.dumps({"audience": "https://orders.example.com", "action": "read", "resource": ORDER})


def refused(service: RunningService, data: bytes, status: int = 400) -> Reply:
    before = len(service.rows())
    reply = service.one(data)
    assert reply.status == status, reply
    assert "decision" not in reply.json()
    assert len(service.rows()) == before
    return reply


def with_total(number: str) -> bytes:
    return GOOD.replace('"t_1"', f'"t_1", "total": {number}').encode()


NO_JSON = {
    "duplicate member": (GOOD[:-1] + ', "action": "update"}', "json_duplicate_member"),
    "duplicate by escape": (GOOD[:-1] + ', "\\u0061ction": "update"}', "json_duplicate_member"),
    "duplicate deep inside": (GOOD.replace('"t_1"', '"t_2", "tenant": "t_1"'), "json_duplicate_member"),
    "nothing": ("", "json_malformed"),
    "blanks": ("  ", "json_malformed"),
    "half": (GOOD[:-1], "json_malformed"),
    "two documents": (GOOD + GOOD, "json_malformed"),
    "trailing comma": (GOOD[:-1] + ",}", "json_malformed"),
    "comment": ("/* */" + GOOD, "json_malformed"),
    "single quotes": (GOOD.replace('"', "'"), "json_malformed"),
    "control character": (GOOD.replace("42", "4\n2"), "json_malformed"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "json_byte_order_mark"),
    "UTF-16": (GOOD.encode("utf-16"), "json_not_utf8"),
    "UTF-16 without mark": (GOOD.encode("utf-16-le"), "json_malformed"),
    "bad UTF-8": (GOOD.encode().replace(b"42", b"\xff"), "json_not_utf8"),
    "overlong UTF-8": (GOOD.encode().replace(b"42", b"\xc0\xaf"), "json_not_utf8"),
    "surrogate in UTF-8": (GOOD.encode().replace(b"42", b"\xed\xa0\x80"), "json_not_utf8"),
    "lone surrogate": (GOOD.replace("42", "\\ud800"), "json_lone_surrogate"),
    "lone surrogate as name": (GOOD.replace('"tenant"', '"\\udc00": 1, "tenant"'), "json_lone_surrogate"),
    "NUL": (GOOD.replace("42", "4\\u00002"), "request_malformed"),
    "NUL in a name": (GOOD.replace('"tenant"', '"\\u0000": 1, "tenant"'), "request_malformed"),
    "raw NUL": (GOOD.replace("42", "4\x002"), "json_malformed"),
    "depth 100000": ("[" * 30000 + "]" * 30000, "json_too_deep"),
    "depth 33": (GOOD.replace('"t_1"', "[" * 30 + "]" * 30), "json_too_deep"),
    "NaN": (with_total("NaN"), "json_not_a_number"),
    "Infinity": (with_total("Infinity"), "json_not_a_number"),
    "-Infinity": (with_total("-Infinity"), "json_not_a_number"),
    "1e400": (with_total("1e400"), "json_number_out_of_range"),
    "1E-400": (with_total("1E-400"), "json_number_inexact"),
    "18 digits": (with_total("0.123456789012345678"), "json_number_inexact"),
    "2^53": (with_total("9007199254740992"), "json_number_out_of_range"),
    "5000 digits": (with_total("9" * 5000), "json_number_out_of_range"),
    "5000 digits and a point": (with_total("9" * 5000 + ".5"), "json_number_out_of_range"),
    "leading zero": (with_total("01"), "json_malformed"),
    "leading plus": (with_total("+1"), "json_malformed"),
    "hexadecimal": (with_total("0x1"), "json_malformed"),
    "wide digits": (with_total("\uff11"), "json_malformed"),
}


@pytest.mark.parametrize("name", NO_JSON)
def test_what_is_no_strict_json_is_refused(service: RunningService, wire: Wire, name: str) -> None:
    """H8, C13."""
    body, code = NO_JSON[name]
    reply = refused(service, wire.ask(body=body if isinstance(body, bytes) else body.encode()))
    assert reply.json()["code"] == code
    assert list(reply.json()["details"]) == ["body"]


@pytest.mark.parametrize("number", ["0", "0.0", "-0", "-0.0", "1e3", "0.1", "9007199254740991"])
def test_numbers_that_a_double_holds_are_taken(service: RunningService, wire: Wire, number: str) -> None:
    assert service.one(wire.ask(body=with_total(number))).allows


MALFORMED: dict[str, tuple[Any, list[str]]] = {
    "an array": ([], ["body"]),
    "a string": ("read", ["body"]),
    "a number": (1, ["body"]),
    "true": (True, ["body"]),
    "null": (None, ["body"]),
    "empty": ({}, ["action", "resource"]),
    "no action": ({"resource": ORDER}, ["action"]),
    "no resource": ({"action": "read"}, ["resource"]),
    "action of wrong type": ({"action": 1, "resource": ORDER}, ["action"]),
    "action null": ({"action": None, "resource": ORDER}, ["action"]),
    "action list": ({"action": ["read"], "resource": ORDER}, ["action"]),
    "action empty": ({"action": "", "resource": ORDER}, ["action.name"]),
    "action too long": ({"action": "a" * 256, "resource": ORDER}, ["action.name"]),
    "action with controls": ({"action": "read\r\nX: y", "resource": ORDER}, ["action.name"]),
    "action without name": ({"action": {}, "resource": ORDER}, ["action.name"]),
    "action name number": ({"action": {"name": 1}, "resource": ORDER}, ["action.name"]),
    "action name null": ({"action": {"name": None}, "resource": ORDER}, ["action.name"]),
    "action properties list": (
        {"action": {"name": "read", "properties": []}, "resource": ORDER},
        ["action.properties"],
    ),
    "resource string": ({"action": "read", "resource": "order:42"}, ["resource"]),
    "resource null": ({"action": "read", "resource": None}, ["resource"]),
    "resource list": ({"action": "read", "resource": [ORDER]}, ["resource"]),
    "resource empty": ({"action": "read", "resource": {}}, ["resource.type", "resource.id"]),
    "id number": ({"action": "read", "resource": {**ORDER, "id": 42}}, ["resource.id"]),
    "id true": ({"action": "read", "resource": {**ORDER, "id": True}}, ["resource.id"]),
    "id empty": ({"action": "read", "resource": {**ORDER, "id": ""}}, ["resource.id"]),
    "id too long": ({"action": "read", "resource": {**ORDER, "id": "a" * 1025}}, ["resource.id"]),
    "id with controls": ({"action": "read", "resource": {**ORDER, "id": "\x1b[2J"}}, ["resource.id"]),
    "type list": ({"action": "read", "resource": {**ORDER, "type": ["order"]}}, ["resource.type"]),
    "properties null": ({"action": "read", "resource": {**ORDER, "properties": None}}, ["resource.properties"]),
    "properties string": ({"action": "read", "resource": {**ORDER, "properties": "x"}}, ["resource.properties"]),
    "context list": ({"action": "read", "resource": ORDER, "context": []}, ["context"]),
    "audience list": ({"action": "read", "resource": ORDER, "audience": ["https://orders.example.com"]}, ["audience"]),
    "audience empty": ({"action": "read", "resource": ORDER, "audience": ""}, ["audience"]),
    **{
        f"unknown {name}": ({"action": "read", "resource": ORDER, name: True}, [name])
        for name in ("decision", "allow", "is_admin", "__proto__", "subject", "claims", "token", "key", "value")
    },
    "unknown in resource": ({"action": "read", "resource": {**ORDER, "tenant": "t_1"}}, ["resource.tenant"]),
    "unknown in action": ({"action": {"name": "read", "is_admin": True}, "resource": ORDER}, ["action.is_admin"]),
    "a name that is not repeated": ({"action": "read", "resource": ORDER, "<script>": 1}, ["?"]),
    "several": (
        {"action": {"nam": "x"}, "resource": {"id": 1}, "evil": 1},
        ["action.name", "action.nam", "resource.type", "resource.id", "evil"],
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_of_another_shape_is_refused_with_every_field(service: RunningService, wire: Wire, name: str) -> None:
    """H8, H11."""
    document, fields = MALFORMED[name]
    reply = refused(service, wire.ask(body=json.dumps(document).encode()))
    body = reply.json()
    assert (body["error"], body["code"]) == ("invalid_request", "request_malformed")
    assert sorted(body["details"]) == sorted(fields)
    for faults in body["details"].values():
        assert faults
        assert all(fault[0].islower() and not fault.endswith(".") for fault in faults)


UNTYPED = {
    "property": ({"tenant": "t_1", "decision": True}, {}, ["resource.properties.decision"]),
    "property with a bad value": ({"tenant": 1}, {}, ["resource.properties.tenant"]),
    "property as text": ({"tenant": "t_1", "classification": "0"}, {}, ["resource.properties.classification"]),
    "property as boolean": ({"tenant": "t_1", "classification": False}, {}, ["resource.properties.classification"]),
    "property null": ({"tenant": "t_1", "classification": None}, {}, ["resource.properties.classification"]),
    "property out of range": ({"tenant": "t_1", "classification": 6}, {}, ["resource.properties.classification"]),
    "property missing": ({}, {}, ["resource.properties.tenant"]),
    "context member": ({"tenant": "t_1"}, {"subject": {"claims": {}}}, ["context.subject"]),
    "name in capitals": ({"tenant": "t_1", "Tenant": "t_1"}, {}, ["resource.properties.Tenant"]),
}


@pytest.mark.parametrize("name", UNTYPED)
def test_what_the_contract_does_not_type_is_refused(service: RunningService, wire: Wire, name: str) -> None:
    """H11, P8: an undeclared or ill-typed property never reaches policy."""
    properties, context, fields = UNTYPED[name]
    body = wire.body(resource={**ORDER, "properties": properties}, context=context)
    reply = refused(service, wire.ask(body=body))
    assert reply.json()["code"] == "request_breaks_contract"
    assert list(reply.json()["details"]) == fields


@pytest.mark.parametrize(
    "media_type",
    [
        *(
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "*/*",
        ),
        *("text/json", "application/json-patch+json", "application/jsonp", "json", "application/json; charset=utf-16"),
        *("application/json, text/plain", "application/json;", "application/json; boundary=x", ""),
    ],
)
def test_another_media_type_is_refused(service: RunningService, wire: Wire, media_type: str) -> None:
    """H9."""
    reply = refused(service, wire.ask(content_type=b"Content-Type: " + media_type.encode()), 415)
    assert reply.json()["error"] == "unsupported_media_type"


def test_no_media_type_is_refused(service: RunningService, wire: Wire) -> None:
    """H9."""
    refused(service, wire.ask(content_type=None), 415)
    refused(service, wire.ask(b"Content-Type: application/json"), 400)


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
def test_json_in_utf8_is_taken(service: RunningService, wire: Wire, media_type: str) -> None:
    assert service.one(wire.ask(content_type=b"Content-Type: " + media_type.encode())).allows


def test_a_compressed_body_is_refused_unread(service: RunningService, wire: Wire) -> None:
    """H10: a bomb of 60 MB in 60 kB."""
    bomb = gzip.compress(b" " * 60_000_000)
    assert len(bomb) < 64 * 1024
    for coding in (b"gzip", b"GZIP", b"deflate", b"br", b"gzip, identity", b"x"):
        refused(service, wire.ask(b"Content-Encoding: " + coding, body=bomb), 415)
    refused(service, wire.ask(body=bomb), 400)
