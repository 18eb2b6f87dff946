"""DOI suffixes: random, without meaning, with a checksum that catches mistyping.

Crockford's base32 in lower case, as DataCite's own generator writes it, followed by two digits of the checksum
ISO 7064, MOD 97-10. Forty random bits, where DataCite takes thirty: suffixes are made without asking anybody.
"""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_CHARACTERS = 8
_GROUP = 5


def new_suffix() -> str:
    """Return a fresh suffix, for example ``4k7m2-x0q42``."""
    return encode_suffix(secrets.randbits(5 * _CHARACTERS))


def encode_suffix(number: int) -> str:
    """Return the suffix that stands for ``number``: base32 and checksum, in groups of five."""
    letters = ""
    rest = number
    for _ in range(_CHARACTERS):
        rest, digit = divmod(rest, 32)
        letters = _ALPHABET[digit] + letters
    text = f"{letters}{98 - number * 100 % 97:02d}"
    return f"{text[:_GROUP]}-{text[_GROUP:]}"


def is_suffix(text: str) -> bool:
    """Tell whether ``text`` is a suffix whose checksum holds; hyphens do not matter."""
    letters = text.lower().replace("-", "")
    if len(letters) < 3 or not letters[-2:].isdecimal() or any(c not in _ALPHABET for c in letters):
        return False
    number = 0
    for letter in letters[:-2]:
        number = number * 32 + _ALPHABET.index(letter)
    return (number * 100 + int(letters[-2:])) % 97 == 1
