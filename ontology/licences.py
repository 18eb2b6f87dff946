"""Maps the licence texts of real datasets to SPDX identifiers, and only where the text leaves no doubt.

``CC-BY`` without a version names several licences, and ``PD`` or ``CCO license`` none: such texts are kept as
they are and get no identifier.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Licence(NamedTuple):
    """A licence of the SPDX list: identifier, name, address of its text."""

    spdx: str
    name: str
    url: str


_CC = "https://creativecommons.org"
_ELEMENTS = {
    "by": "Attribution",
    "by-nc": "Attribution Non Commercial",
    "by-nc-nd": "Attribution Non Commercial No Derivatives",
    "by-nc-sa": "Attribution Non Commercial Share Alike",
    "by-nd": "Attribution No Derivatives",
    "by-sa": "Attribution Share Alike",
}
_SCOPE = {"4.0": "International", "3.0": "Unported", "2.5": "Generic", "2.0": "Generic", "1.0": "Generic"}
_FIXED = (
    Licence("CC0-1.0", "Creative Commons Zero v1.0 Universal", f"{_CC}/publicdomain/zero/1.0/legalcode"),
    Licence(
        "PDDL-1.0",
        "Open Data Commons Public Domain Dedication & License 1.0",
        "http://opendatacommons.org/licenses/pddl/1.0/",
    ),
    Licence(
        "ODbL-1.0", "Open Data Commons Open Database License v1.0", "http://www.opendatacommons.org/licenses/odbl/1.0/"
    ),
    Licence("ODC-By-1.0", "Open Data Commons Attribution License v1.0", "https://opendatacommons.org/licenses/by/1.0/"),
    Licence("Apache-2.0", "Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
    Licence("MIT", "MIT License", "https://opensource.org/license/mit/"),
    Licence("BSD-2-Clause", 'BSD 2-Clause "Simplified" License', "https://opensource.org/licenses/BSD-2-Clause"),
    Licence("BSD-3-Clause", 'BSD 3-Clause "New" or "Revised" License', "https://opensource.org/licenses/BSD-3-Clause"),
    Licence(
        "GPL-3.0-only", "GNU General Public License v3.0 only", "https://www.gnu.org/licenses/gpl-3.0-standalone.html"
    ),
    Licence(
        "GPL-3.0-or-later",
        "GNU General Public License v3.0 or later",
        "https://www.gnu.org/licenses/gpl-3.0-standalone.html",
    ),
)
_BY_NAME = {text.casefold(): licence for licence in _FIXED for text in (licence.spdx, licence.name)}
_BY_NAME |= {"pddl": _FIXED[1], "odbl": _FIXED[2], "public domain dedication and license": _FIXED[1]}
_ZERO = re.compile(r"\bcc[- ]?0\b|creativecommons\.org/publicdomain/zero/1\.0|\bcreative commons zero\b")
_SHORT = re.compile(r"\bcc[- ](by(?:[- ]nc)?(?:[- ](?:nd|sa))?)[- ]v?([1-4]\.[05])\b")
_ADDRESS = re.compile(r"creativecommons\.org/licenses/(by(?:-nc)?(?:-(?:nd|sa))?)/([1-4]\.[05])(?=[/\s).]|$)")
_LONG = re.compile(
    r"creative commons attribution"
    r"((?:[- ]non[- ]?commercial)?(?:[- ](?:share[- ]?alike|no[- ]?(?:derivs|derivatives)))?)"
    r"[- ]v?([1-4]\.[05])\b"
)
_NEGATED = re.compile(r"\b(?:not|except|other than|unless|or)\b")


def spdx_licence(text: str) -> Licence | None:
    """Return the one licence that ``text`` names, or None when it names none, several, or leaves a doubt."""
    plain = " ".join(text.casefold().replace("_", "-").split())
    exact = _BY_NAME.get(plain.removesuffix(" license").removesuffix(" licence")) or _BY_NAME.get(plain)
    if exact is not None:
        return exact
    found: set[Licence] = set()
    if _ZERO.search(plain):
        found.add(_FIXED[0])
    for elements, version in [*_SHORT.findall(plain), *_ADDRESS.findall(plain)]:
        found.add(_creative_commons(elements.replace(" ", "-"), version))
    for words, version in _LONG.findall(plain):
        found.add(_creative_commons(_elements(words), version))
    return found.pop() if len(found) == 1 and not _NEGATED.search(plain) else None


def _elements(words: str) -> str:
    parts = ["by"]
    parts += ["nc"] if "commercial" in words else []
    parts += ["sa"] if "alike" in words else ["nd"] if "deriv" in words else []
    return "-".join(parts)


def _creative_commons(elements: str, version: str) -> Licence:
    name = f"Creative Commons {_ELEMENTS[elements]} {version} {_SCOPE[version]}"
    return Licence(f"CC-{elements.upper()}-{version}", name, f"{_CC}/licenses/{elements}/{version}/legalcode")
