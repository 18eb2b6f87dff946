"""Runs as a Process Run Crate (Workflow Run RO-Crate 0.5 on RO-Crate 1.2)."""

from provenance.crate.metadata import METADATA_NAME, CrateFile, run_crate_metadata
from provenance.crate.packing import write_crate

__all__ = ["METADATA_NAME", "CrateFile", "run_crate_metadata", "write_crate"]
