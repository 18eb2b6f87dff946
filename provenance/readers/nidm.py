"""NIDM-Results (1.0 to 1.3): what a document of the neuroimaging data model says of an analysis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provenance import vocabulary as v
from provenance.statements import Statement

_NIDM = "http://purl.org/nidash/nidm#NIDM_"
NIDM_RESULTS = _NIDM + "0000027"
"""The class of the bundle that is an NIDM-Results document."""
_VERSION, _SOFTWARE_VERSION = _NIDM + "0000127", _NIDM + "0000122"
_MAPS = {
    _NIDM + "0000002": "contrast",
    _NIDM + "0000013": "contrast standard error",
    _NIDM + "0000025": "excursion set",
    _NIDM + "0000033": "grand mean",
    _NIDM + "0000054": "mask",
    _NIDM + "0000061": "parameter estimate",
    _NIDM + "0000066": "residual mean squares",
    _NIDM + "0000076": "statistic",
    _NIDM + "0000008": "cluster labels",
}
_DATA = _NIDM + "0000018"


def summarise_nidm(statements: Sequence[Statement]) -> dict[str, Any]:
    """Return version, software, inputs, maps and activities of an NIDM-Results document."""
    elements = [one for one in statements if one.kind.element]
    bundle = next(one for one in elements if NIDM_RESULTS in one.values(v.TYPE))
    software = [one for one in elements if one.kind is v.AGENT and v.SOFTWARE_AGENT in one.values(v.TYPE)]
    return {
        "nidm_version": bundle.text(_VERSION),
        "software": [{"name": one.text(v.LABEL), "version": one.text(_SOFTWARE_VERSION)} for one in software],
        "inputs": [one.text(v.LABEL) for one in elements if _DATA in one.values(v.TYPE)],
        "maps": [
            {"kind": _MAPS[str(kind)], "label": one.text(v.LABEL), "file": one.text(v.LOCATION)}
            for one in elements
            for kind in one.values(v.TYPE)
            if kind in _MAPS
        ],
        "activities": [one.text(v.LABEL) for one in elements if one.kind is v.ACTIVITY],
    }
