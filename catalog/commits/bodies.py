"""Reading the JSON of bodies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

try:
    import orjson
except ImportError:
    parse_body: Callable[[bytes], Any] = json.loads
else:
    parse_body = orjson.loads
"""Read a body: canonical JSON, which all parsers read alike. Raises ValueError on anything that is not JSON."""
