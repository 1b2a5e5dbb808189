"""Mutations of the code that named tests must notice: `python -m tests.mutate`."""
