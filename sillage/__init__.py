"""What users import: the Python client; ``sillage.cli`` is the command line."""

from sillage.client import Client, ProblemError, ServiceAwayError

__all__ = ["Client", "ProblemError", "ServiceAwayError"]
