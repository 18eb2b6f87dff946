"""What a commit does, decided alike for every backend: validation, planning, waiting in line, proofs, verification.

A backend reads (:class:`catalog.commits.snapshot.Stored`) and writes rows; nothing here knows how it keeps them.
"""
