"""A service with development keys and an OPA of its own, for `make demo`, tests and benchmarks. Not in the package."""
