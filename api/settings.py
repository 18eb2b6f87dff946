"""Settings: one object, read once from the environment (``SILLAGE_``) and an optional TOML file.

Environment beats file; a value given explicitly, ``0`` and ``false`` included, always wins over a default;
an unknown key is refused. This is the only module that reads the environment.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ontology.errors import InvalidRequestError

FILE_NAME = "sillage.toml"


class Settings(BaseSettings):
    """Everything that a deployer can set; each field says what it does."""

    model_config = SettingsConfigDict(env_prefix="SILLAGE_", env_nested_delimiter="__", extra="forbid", frozen=True)

    catalog: Path = Field(description="Directory of the catalogue.")
    title: str | None = Field(
        default=None, description="Name of the catalogue on pages and in metadata; unset: the one given at `init`."
    )
    publisher: str = Field(
        default="Unnamed institution", description="Publisher named in DOI metadata; set it before publishing."
    )
    base_url: str | None = Field(
        default=None, description="Public address of the service, without a final slash; used in landing pages."
    )
    runner: str = Field(default="local", description="Runner that tasks use unless they name another.")
    sandbox: Literal["auto", "bubblewrap", "none"] = Field(
        default="auto",
        description="Isolation of local tasks: `auto` uses bubblewrap when present and warns when it is not.",
    )
    slots: int = Field(default=0, ge=0, description="Tasks run at once by the local runner; 0 means one per core.")
    allow_network: bool = Field(
        default=False, description="Whether pipelines whose descriptor asks for the network may have it."
    )
    import_roots: list[Path] | None = Field(
        default=None,
        description="Folders below which datasets may be registered over HTTP; unset: any, by those permitted.",
    )
    max_body_mb: int = Field(default=512, ge=1, description="Largest request body that is accepted (MB).")
    doi_prefix: str = Field(
        default="10.5072", description="DOI prefix; DataCite's test prefix until an account is set."
    )
    datacite_url: str | None = Field(default=None, description="DataCite REST API; unset: no request is ever sent.")
    datacite_repository: str | None = Field(default=None, description="DataCite repository account.")
    datacite_password: SecretStr | None = Field(default=None, description="Password of that account.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe log line that is written."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the environment first, then what the file gave through the constructor."""
        return env_settings, init_settings


def load_settings(catalog: Path, *, overrides: dict[str, Any] | None = None) -> Settings:
    """Return the settings of a catalogue: defaults, its ``sillage.toml``, the environment, ``overrides``.

    Raises:
        InvalidRequestError: The file is not TOML, or a key or value is not one of ours.
    """
    values: dict[str, Any] = {}
    file = catalog / FILE_NAME
    if file.is_file():
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidRequestError(f"{file} is not TOML: {error}", field=FILE_NAME) from error
    values["catalog"] = catalog
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidRequestError(
            f"setting {name}: {first['msg']}", field=name, next_step=f"Mend {FILE_NAME} or SILLAGE_{name.upper()}."
        ) from error
    return settings.model_copy(update={"catalog": catalog, **(overrides or {})})
