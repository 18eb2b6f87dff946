"""Write ``deploy/sillage.toml.example``: every setting with what it says of itself, commented out.

``python -m deploy.reference_pages`` writes it with the pages; a test fails when it is not what the code says.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import SecretStr

FILE = Path(__file__).resolve().parent / "sillage.toml.example"

_HEAD = """\
# Settings of a catalogue. Copy to sillage.toml in the catalogue's folder and uncomment what you change.
# Each can be set in the environment instead: SILLAGE_ and the name in capitals; the environment wins.
# An unknown name is refused. docs/reference/settings.md has the same list.
"""
_SAMPLES = {
    "base_url": "https://catalogue.example.org",
    "datacite_repository": "ABCD.EFGH",
    "datacite_url": "https://api.datacite.org",
    "import_roots": ["/srv/incoming"],
    "repository_password_file": "keys/repository.password",
    "repository_url": "neo4j+s://graph.example.org",
    "repository_user": "neo4j",
    "search_ca_file": "keys/search-ca.pem",
    "search_password_file": "keys/search.password",
    "search_url": "https://search.example.org:9200",
    "search_user": "sillage",
    "slurm_account": "imaging",
    "slurm_conf": "/etc/slurm/slurm.conf",
    "slurm_folder": "/shared/sillage/tasks",
    "slurm_partition": "compute",
    "title": "Imaging laboratory",
}
"""What settings without a default could be."""


def settings_example() -> str:
    """Return the file."""
    from api.settings import Settings

    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        if name == "catalog":
            continue
        secret = SecretStr in getattr(field.annotation, "__args__", ())
        value = "..." if secret else field.default if field.default is not None else _SAMPLES[name]
        more = f" Better in the environment, as SILLAGE_{name.upper()}" if secret else ""
        if more:
            more += ", or in a file." if f"{name}_file" in Settings.model_fields else "."
        parts.append(f"# {field.description}{more}\n# {name} = {_toml(value)}\n")
    return "\n".join(parts)


def _toml(value: object) -> str:
    """Return a value as TOML; booleans, numbers, texts and lists of texts are spelled as in JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)
