package orders.authz_test

import data.orders.authz

agent := {
	"type": "user",
	"id": "u_1",
	"claims": {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": false},
	"scopes": ["orders:read", "orders:write", "orders:refund"],
	"client_id": "web",
}

order := {
	"type": "order",
	"id": "42",
	"properties": {"tenant": "t_1", "owner": "u_1", "classification": 2, "status": "placed"},
}

request(subject, action, resource) := {
	"subject": subject,
	"action": {"name": action},
	"resource": resource,
	"context": {},
	"contract": {"name": "orders", "version": "1.0.0"},
}

with_claims(claims) := object.union(agent, {"claims": claims})

without_claim(name) := object.union(
	object.remove(agent, ["claims"]),
	{"claims": object.remove(agent.claims, [name])},
)

with_properties(properties) := object.union(order, {"properties": properties})

without_property(name) := object.union(
	object.remove(order, ["properties"]),
	{"properties": object.remove(order.properties, [name])},
)

admin := with_claims({"roles": ["admin"]})

# Each case: what is asked and the reasons that must be given; no reason means allow.
cases := {
	"an agent reads": [request(agent, "read", order), set()],
	"an agent updates its own order": [request(agent, "update", order), set()],
	"a viewer updates": [request(with_claims({"roles": ["viewer"]}), "update", order), {"action_not_granted_by_role"}],
	"a viewer owns and reads": [request(with_claims({"roles": ["viewer"]}), "read", order), set()],
	"no roles": [request(without_claim("roles"), "read", order), {"action_not_granted_by_role"}],
	"roles as text": [request(with_claims({"roles": "admin"}), "read", order), {"action_not_granted_by_role"}],
	"an action nobody has": [request(admin, "erase", order), {"action_not_granted_by_role", "scope_missing"}],
	"no scope": [request(object.union(agent, {"scopes": []}), "read", order), {"scope_missing"}],
	"the other scope": [request(object.union(agent, {"scopes": ["orders:write"]}), "read", order), {"scope_missing"}],
	"another tenant": [request(agent, "read", with_properties({"tenant": "t_2"})), {"tenant_mismatch"}],
	"no tenant claim": [request(without_claim("tenant"), "read", order), {"tenant_mismatch"}],
	"no tenant property": [request(agent, "read", without_property("tenant")), {"tenant_mismatch"}],
	"another's order": [request(agent, "cancel", with_properties({"owner": "u_2"})), {"not_owner"}],
	"no owner": [request(agent, "update", without_property("owner")), {"not_owner"}],
	"another's order is read": [request(agent, "read", with_properties({"owner": "u_2"})), set()],
	"an admin cancels another's": [request(admin, "cancel", with_properties({"owner": "u_2"})), set()],
	"above clearance": [request(agent, "read", with_properties({"classification": 3})), {"clearance_too_low"}],
	"at clearance": [request(agent, "read", with_properties({"classification": 2})), set()],
	"no clearance": [request(without_claim("clearance"), "read", order), {"clearance_too_low"}],
	"no clearance for an open order": [
		request(without_claim("clearance"), "read", with_properties({"classification": 0})),
		set(),
	],
	"no classification": [request(without_claim("clearance"), "read", without_property("classification")), set()],
	"classification as text": [request(agent, "read", with_properties({"classification": "0"})), {"clearance_too_low"}],
	"classification null": [request(agent, "read", with_properties({"classification": null})), {"clearance_too_low"}],
	"clearance as text": [request(with_claims({"clearance": "9"}), "read", order), {"clearance_too_low"}],
	"suspended": [request(with_claims({"suspended": true}), "read", order), {"subject_suspended"}],
	"suspended as text": [request(with_claims({"suspended": "false"}), "read", order), {"subject_suspended"}],
	"suspended unknown": [request(without_claim("suspended"), "read", order), {"subject_suspended"}],
	"another resource": [request(agent, "read", object.union(order, {"type": "invoice"})), {"resource_type_unknown"}],
	"an admin refunds": [request(admin, "refund", order), set()],
	"an agent refunds": [request(agent, "refund", order), {"action_not_granted_by_role"}],
	"a draft is refunded": [request(admin, "refund", with_properties({"status": "draft"})), {"order_not_refundable"}],
	"no status is refunded": [request(admin, "refund", without_property("status")), {"order_not_refundable"}],
}

nothing_in(reasons) if reasons == set()

nothing_in(reasons) := false if reasons != set()

passed contains name if {
	some name, [question, reasons] in cases
	answer := authz.decision with input as question
	answer.reasons == reasons
	answer.allow == nothing_in(reasons)
	answer.obligations == set()
}

test_every_case_gives_exactly_its_reasons if {
	object.keys(cases) == passed
}

test_nothing_is_denied_with_every_reason if {
	answer := authz.decision with input as {}
	not answer.allow
	answer.reasons == {
		"resource_type_unknown",
		"subject_suspended",
		"action_not_granted_by_role",
		"scope_missing",
		"tenant_mismatch",
	}
}
