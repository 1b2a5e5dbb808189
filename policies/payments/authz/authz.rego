# METADATA
# title: Who may do what with payments
# description: >-
#   A scope grants the action; tenant and region have to fit; creating is bound by the principal's own limit, approving
#   by its level and by four eyes; large amounts need a strong session, and an obligation says how to get one.
# schemas:
#   - input: schema.payments
package payments.authz

# METADATA
# title: The decision that the contract names
# entrypoint: true
decision := {"allow": allow, "reasons": reasons, "obligations": obligations}

# METADATA
# title: Grounds and no reason against
default allow := false

allow if {
	granted_by_scope
	count(reasons) == 0
}

# METADATA
# title: Every reason why the request is denied
# scope: document
reasons contains "resource_type_unknown" if not is_payment

reasons contains "subject_suspended" if not is_active

reasons contains "scope_missing" if not granted_by_scope

reasons contains "tenant_mismatch" if not same_tenant

reasons contains "region_mismatch" if not same_region

reasons contains "limit_exceeded" if {
	input.action.name == "create"
	not within_limit
}

reasons contains "approval_level_too_low" if {
	input.action.name == "approve"
	not level_suffices
}

reasons contains "four_eyes_violated" if {
	input.action.name == "approve"
	not eyes_suffice
}

reasons contains "step_up_required" if {
	moves_money
	not session_suffices
}

# METADATA
# title: What the caller has to do beside enforcing the decision
# scope: document
obligations contains {
	"id": "step_up",
	"type": "step-up",
	"properties": {"acr_value": data.payments.authz.step_up.acr},
} if {
	"step_up_required" in reasons
}

is_payment if input.resource.type == "payment"

is_active if input.subject.claims.suspended == false

granted_by_scope if {
	some scope in input.subject.scopes
	input.action.name in data.payments.authz.scope_grants[scope]
}

same_tenant if input.resource.properties.tenant == input.subject.claims.tenant

same_region if input.resource.properties.region == input.subject.claims.account.region

moves_money if input.action.name in {"create", "approve"}

within_limit if {
	is_number(input.subject.claims.single_limit)
	is_amount
	input.resource.properties.amount <= input.subject.claims.single_limit
}

is_amount if {
	is_number(input.resource.properties.amount)
	input.resource.properties.amount >= 0
}

level_suffices if {
	is_amount
	is_number(input.subject.claims.account.approval.level)
	some step in data.payments.authz.approval_levels
	input.subject.claims.account.approval.level >= step.level
	input.resource.properties.amount <= step.up_to
}

# Where four eyes are demanded the payment must say who made it, and it must be somebody else.
eyes_suffice if input.subject.claims.account.approval.four_eyes == false

eyes_suffice if {
	is_string(input.resource.properties.created_by)
	input.resource.properties.created_by != input.subject.id
}

session_suffices if {
	is_amount
	input.resource.properties.amount <= data.payments.authz.step_up.above
}

session_suffices if {
	input.subject.claims.acr == data.payments.authz.step_up.acr
	some method in input.subject.claims.amr
	method in data.payments.authz.step_up.amr
}
