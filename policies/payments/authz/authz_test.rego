package payments.authz_test

import data.payments.authz

clerk := {
	"type": "user",
	"id": "u_1",
	"claims": {
		"tenant": "t_1",
		"suspended": false,
		"single_limit": 1000000,
		"account": {"region": "eu", "approval": {"level": 2, "four_eyes": true}},
		"acr": "urn:example:mfa",
		"amr": ["pwd", "otp"],
	},
	"scopes": ["payments:read", "payments:create", "payments:approve"],
	"client_id": "web",
}

payment := {
	"type": "payment",
	"id": "7",
	"properties": {"tenant": "t_1", "region": "eu", "created_by": "u_2", "amount": 400000, "currency": "EUR"},
}

request(subject, action, resource) := {
	"subject": subject,
	"action": {"name": action},
	"resource": resource,
	"context": {},
	"contract": {"name": "payments", "version": "1.0.0"},
}

with_claims(claims) := object.union(clerk, {"claims": claims})

without_claim(name) := object.union(
	object.remove(clerk, ["claims"]),
	{"claims": object.remove(clerk.claims, [name])},
)

with_properties(properties) := object.union(payment, {"properties": properties})

without_property(name) := object.union(
	object.remove(payment, ["properties"]),
	{"properties": object.remove(payment.properties, [name])},
)

pwd_only := with_claims({"acr": "urn:example:pwd", "amr": ["pwd"]})

large := with_properties({"amount": 500001})

# Each case: what is asked and the reasons that must be given; no reason means allow.
cases := {
	"a clerk reads": [request(clerk, "read", payment), set()],
	"a clerk pays": [request(clerk, "create", payment), set()],
	"a clerk approves": [request(clerk, "approve", payment), set()],
	"an action without a scope": [request(clerk, "erase", payment), {"scope_missing"}],
	"no scope": [request(object.union(clerk, {"scopes": []}), "read", payment), {"scope_missing"}],
	"another tenant": [request(clerk, "read", with_properties({"tenant": "t_2"})), {"tenant_mismatch"}],
	"no tenant": [request(without_claim("tenant"), "read", payment), {"tenant_mismatch"}],
	"another region": [request(clerk, "read", with_properties({"region": "us"})), {"region_mismatch"}],
	"no account": [request(without_claim("account"), "read", payment), {"region_mismatch"}],
	"at the limit": [request(with_claims({"single_limit": 400000}), "create", payment), set()],
	"above the limit": [request(with_claims({"single_limit": 399999}), "create", payment), {"limit_exceeded"}],
	"no limit": [request(without_claim("single_limit"), "create", payment), {"limit_exceeded"}],
	"limit as text": [request(with_claims({"single_limit": "9"}), "create", payment), {"limit_exceeded"}],
	"no amount": [request(clerk, "create", without_property("amount")), {"limit_exceeded"}],
	"a negative amount": [request(clerk, "create", with_properties({"amount": -1})), {"limit_exceeded"}],
	"amount null": [request(clerk, "create", with_properties({"amount": null})), {"limit_exceeded"}],
	"level too low": [
		request(with_claims({"account": {"approval": {"level": 1}}}), "approve", payment),
		{"approval_level_too_low"},
	],
	"level suffices": [
		request(with_claims({"account": {"approval": {"level": 1}}}), "approve", with_properties({"amount": 100000})),
		set(),
	],
	"level as text": [
		request(with_claims({"account": {"approval": {"level": "3"}}}), "approve", payment),
		{"approval_level_too_low"},
	],
	"own payment": [request(clerk, "approve", with_properties({"created_by": "u_1"})), {"four_eyes_violated"}],
	"own payment without four eyes": [
		request(
			with_claims({"account": {"approval": {"four_eyes": false}}}),
			"approve", with_properties({"created_by": "u_1"}),
		),
		set(),
	],
	"nobody made it": [request(clerk, "approve", without_property("created_by")), {"four_eyes_violated"}],
	"large without a strong session": [request(pwd_only, "create", large), {"step_up_required"}],
	"large with a strong session": [request(clerk, "create", large), set()],
	"large with a password only": [request(with_claims({"amr": ["pwd"]}), "create", large), {"step_up_required"}],
	"large without acr": [request(without_claim("acr"), "create", large), {"step_up_required"}],
	"at the step-up amount": [request(pwd_only, "create", with_properties({"amount": 500000})), set()],
	"a large payment is read": [request(pwd_only, "read", large), set()],
	"suspended": [request(with_claims({"suspended": true}), "read", payment), {"subject_suspended"}],
	"suspended unknown": [request(without_claim("suspended"), "read", payment), {"subject_suspended"}],
	"another resource": [request(clerk, "read", object.union(payment, {"type": "order"})), {"resource_type_unknown"}],
}

step_up := {"id": "step_up", "type": "step-up", "properties": {"acr_value": "urn:example:mfa"}}

nothing_in(reasons) if reasons == set()

nothing_in(reasons) := false if reasons != set()

passed contains name if {
	some name, [question, reasons] in cases
	answer := authz.decision with input as question
	answer.reasons == reasons
	answer.allow == nothing_in(reasons)
	answer.obligations == {duty | some duty in [step_up]; "step_up_required" in reasons}
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
		"scope_missing",
		"tenant_mismatch",
		"region_mismatch",
	}
}
