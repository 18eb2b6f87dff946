"""Registers DOIs: the contract, and its two registrars."""

from __future__ import annotations

from catalog.doi.contract import DRAFT, FINDABLE, REGISTERED, TEST_PREFIX, Registered, Registrar
from catalog.doi.datacite import DataCiteRegistrar
from catalog.doi.offline import OfflineRegistrar

__all__ = [
    "DRAFT",
    "FINDABLE",
    "REGISTERED",
    "TEST_PREFIX",
    "DataCiteRegistrar",
    "OfflineRegistrar",
    "Registered",
    "Registrar",
]
