# METADATA
# title: Who may do what with orders
# description: >-
#   Role and scope both have to grant the action, the order has to belong to the principal's tenant, and no reason for
#   a denial may hold. A claim or property that is missing never grants: each reason negates a helper that must be true.
# schemas:
#   - input: schema.orders
package orders.authz

# METADATA
# title: The decision that the contract names
# entrypoint: true
decision := {"allow": allow, "reasons": reasons, "obligations": set()}

# METADATA
# title: Grounds and no reason against
default allow := false

allow if {
	granted_by_role
	granted_by_scope
	count(reasons) == 0
}

# METADATA
# title: Every reason why the request is denied
# scope: document
reasons contains "resource_type_unknown" if not is_order

reasons contains "subject_suspended" if not is_active

reasons contains "action_not_granted_by_role" if not granted_by_role

reasons contains "scope_missing" if not granted_by_scope

reasons contains "tenant_mismatch" if not same_tenant

reasons contains "not_owner" if {
	owner_counts
	not is_owner
}

reasons contains "clearance_too_low" if not is_cleared

reasons contains "order_not_refundable" if {
	input.action.name == "refund"
	not is_refundable
}

is_order if input.resource.type == "order"

is_active if input.subject.claims.suspended == false

granted_by_role if {
	some role in input.subject.claims.roles
	input.action.name in data.orders.authz.role_grants[role]
}

granted_by_scope if {
	some scope in input.subject.scopes
	input.action.name in data.orders.authz.scope_grants[scope]
}

same_tenant if input.resource.properties.tenant == input.subject.claims.tenant

owner_counts if {
	input.action.name in data.orders.authz.owner_bound.actions
	not has_exempt_role
}

has_exempt_role if {
	some role in input.subject.claims.roles
	role in data.orders.authz.owner_bound.exempt_roles
}

is_owner if input.resource.properties.owner == input.subject.id

# An order that says no classification is open to the whole tenant; one that says anything but a whole number is not.
is_cleared if not classified

is_cleared if {
	is_number(input.resource.properties.classification)
	is_number(input.subject.claims.clearance)
	input.subject.claims.clearance >= input.resource.properties.classification
}

is_cleared if input.resource.properties.classification == 0

classified if {
	some name, _ in input.resource.properties
	name == "classification"
}

is_refundable if input.resource.properties.status in data.orders.authz.refundable_statuses
