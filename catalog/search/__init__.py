"""Cohort search: CQL2 queries over participants and their acquisitions, answered by an index."""
