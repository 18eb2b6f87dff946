"""A synthetic two-site study of multiple sclerosis, written to disk as valid BIDS.

Nobody was scanned: people are drawn from a seeded generator and their voxels are deformations of the MNI152
template, so the study may be shown, published and broken at will. Two runs with one seed write the same bytes.
"""

from __future__ import annotations

from sillage.demo.study.writing import make_study

__all__ = ["make_study"]
