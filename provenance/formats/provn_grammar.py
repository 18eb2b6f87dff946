"""The terminals of the PROV-N grammar (PROV-N 3.7.1 and 3.7.3), shared by its writer and reader."""

from __future__ import annotations

import re

PN_BASE = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
PN_CHARACTERS = PN_BASE + "_0-9\u00b7\u0300-\u036f\u203f-\u2040"
_OTHERS = "/@~&+*?#$!"
_ENCODED = r"%[0-9A-Fa-f]{2}|\\[=',\-:;\[\]().]"
_FIRST = f"[{PN_BASE}_0-9{_OTHERS}]|{_ENCODED}"
_MIDDLE = f"[{PN_CHARACTERS}{_OTHERS}.-]|{_ENCODED}"
_LAST = f"[{PN_CHARACTERS}{_OTHERS}-]|{_ENCODED}"

PREFIX = f"[{PN_BASE}](?:[{PN_CHARACTERS}.-]*[{PN_CHARACTERS}-])?"
"""Production PN_PREFIX of SPARQL 1.1."""
LOCAL = f"(?:{_FIRST})(?:(?:{_MIDDLE})*(?:{_LAST}))?"
"""Production [53] PN_LOCAL."""

LOCAL_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
"""The local parts that need no second look: most of all UUIDs and words."""
LOCAL_SPECIAL = re.compile(r"[=',:;\[\]()]")
"""Characters that a local part may have only behind a backslash ([55] PN_CHARS_ESC)."""
LOCAL_ESCAPED = re.compile(LOCAL)

TOKEN = re.compile(
    rf"""
    (?P<space>(?:[ \t\r\n]+|//[^\n\r]*|/\*(?:[^*]|\*(?!/))*\*/)+)
  | (?P<long>\"\"\"(?:\\.|"(?!"")|[^"\\])*\"\"\")
  | (?P<string>"(?:\\.|[^"\\\n\r])*")
  | (?P<language>(?<=")@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
  | (?P<quoted>'(?:\\.|[^'\\\n\r])*')
  | (?P<iri><[^<>"{{}}|^`\x00-\x20]*>)
  | (?P<typed>%%)
  | (?P<time>-?[0-9]{{4,}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}
      (?:\.[0-9]+)?(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})?)
  | (?P<integer>-?[0-9]+(?![{PN_CHARACTERS}{_OTHERS}:%\\-]|\.[{PN_CHARACTERS}{_OTHERS}]))
  | (?P<name>(?:{PREFIX}):(?:{LOCAL})?|(?:{LOCAL}))
  | (?P<mark>[()\[\],;=]|-)
    """,
    re.VERBOSE | re.DOTALL,
)
"""One token; at the start of a statement's name, keywords are names like others."""
