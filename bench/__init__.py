"""Measurements of the service, as ratios to asking OPA directly in the same run."""
