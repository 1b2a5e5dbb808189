# METADATA
# title: Customers and agents read tickets; agents close them
package tickets.authz

decision := {"allow": allow, "reasons": reasons}

default allow := false

allow if count(reasons) == 0

reasons contains "subject_suspended" if not is_active

reasons contains "scope_missing" if not "tickets:read" in input.subject.scopes

# A list of what is permitted: whoever is not on it stays out.
reasons contains "role_missing" if not has_role

reasons contains "agents_only" if {
	for_agents
	not "agent" in input.subject.claims.roles
}

is_active if input.subject.claims.suspended == false

has_role if {
	some role in input.subject.claims.roles
	role in {"customer", "agent"}
}

for_agents if input.action.name == "close"

for_agents if input.resource.properties.internal == true
