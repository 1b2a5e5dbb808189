# METADATA
# title: What must never be with orders
# description: >-
#   Each code is proved for every token that the contract permits and every request, or shown with one of each.
# schemas:
#   - input: schema.orders
package orders.authz_invariant

violation contains "suspended_is_allowed" if {
	data.orders.authz.decision.allow
	input.subject.claims.suspended == true
}

violation contains "access_across_tenants" if {
	data.orders.authz.decision.allow
	not same_tenant
}

same_tenant if input.subject.claims.tenant == input.resource.properties.tenant
