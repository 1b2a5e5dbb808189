# METADATA
# title: What callers of OPA may do
# description: >-
#   Health and metrics for everybody; the decision paths for the one who holds the token; nothing else. Policy and
#   data cannot be read or written through the API.
package system.authz

default allow := false

allow if {
	input.method == "GET"
	input.path in [["health"], ["metrics"]]
}

allow if {
	input.method == "POST"
	token := opa.runtime().env.ENTITLEMENTS_OPA_TOKEN
	count(token) >= 16
	input.identity == token
	array.slice(input.path, 0, 2) == ["v1", "data"]
	concat("/", array.slice(input.path, 2, count(input.path))) in data.system.decision_paths
	every name, _ in input.params {
		name in {"strict-builtin-errors", "provenance"}
	}
}
