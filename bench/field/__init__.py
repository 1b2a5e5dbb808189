"""Realistic policies, shaped like public ones, with three changes each and what is true of each change."""
