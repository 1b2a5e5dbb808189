# METADATA
# title: What must never be with payments
# description: >-
#   Each code is proved for every token that the contract permits and every request, or shown with one of each.
# schemas:
#   - input: schema.payments
package payments.authz_invariant

violation contains "suspended_is_allowed" if {
	data.payments.authz.decision.allow
	input.subject.claims.suspended == true
}

violation contains "access_across_tenants" if {
	data.payments.authz.decision.allow
	not same_tenant
}

violation contains "own_payment_approved_under_four_eyes" if {
	data.payments.authz.decision.allow
	input.action.name == "approve"
	input.subject.claims.account.approval.four_eyes
	input.resource.properties.created_by == input.subject.id
}

same_tenant if input.subject.claims.tenant == input.resource.properties.tenant
