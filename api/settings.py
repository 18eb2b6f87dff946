"""Settings: one object, read once from the environment (``SILLAGE_``) and an optional TOML file.

Environment beats file; a value given explicitly, ``0`` and ``false`` included, always wins over a default;
an unknown key is refused. This is the only module that reads the environment.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ontology.errors import InvalidRequestError

FILE_NAME = "sillage.toml"
SQLITE: Final = "sqlite:"
EMBEDDED: Final = "embedded:"
PLAIN_SQL: Final = "sql:"
REPOSITORY_SCHEMES: Final = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
SEARCH_SCHEMES: Final = ("http", "https")
_NAMED: Final = {
    "repository_url": ((SQLITE,), REPOSITORY_SCHEMES),
    "search_url": ((EMBEDDED, PLAIN_SQL), SEARCH_SCHEMES),
}
STORED_ENGINES: Final = (
    "repository_url",
    "repository_user",
    "repository_password_file",
    "search_url",
    "search_user",
    "search_password_file",
    "search_ca_file",
)


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
    repository_url: str | None = Field(
        default=None,
        description="Repository on a server: `neo4j://` or `bolt://`, with TLS `neo4j+s://` or `bolt+s://`; "
        "unset: SQLite in the catalogue's folder.",
    )
    repository_user: str | None = Field(default=None, description="Account on that server; unset: none is named.")
    repository_password: SecretStr | None = Field(default=None, description="Password of that account.")
    repository_password_file: Path | None = Field(
        default=None, description="File that holds it instead, in the catalogue's folder unless it begins with a slash."
    )
    search_url: str | None = Field(
        default=None,
        description="Search on a server: Elasticsearch (`http://` or `https://`); `sql:` for plain SQL; "
        "unset: the index in the catalogue's folder.",
    )
    search_user: str | None = Field(default=None, description="Account on the search server; unset: none is named.")
    search_password: SecretStr | None = Field(default=None, description="Password of the search server's account.")
    search_password_file: Path | None = Field(
        default=None, description="File that holds the search server's password instead."
    )
    search_ca_file: Path | None = Field(
        default=None, description="File with the authorities that sign for the search server; unset: the system's."
    )
    runner: str = Field(
        default="local", description="Runner that tasks use unless they name another: `local`, `slurm`, or a plugin."
    )
    slurm_folder: Path | None = Field(
        default=None,
        description="Folder for tasks on Slurm, at the same path on every node; unset: in the catalogue's folder.",
    )
    slurm_partition: str | None = Field(
        default=None, description="Partition that jobs on Slurm go to; unset: the cluster's default."
    )
    slurm_account: str | None = Field(default=None, description="Account that jobs on Slurm are charged to.")
    slurm_options: list[str] = Field(default=[], description="Further options of `sbatch` for every job on Slurm.")
    slurm_gpus: list[dict[str, Any]] = Field(
        default=[],
        description="Kinds of GPU on the cluster, each with `memory_gb`, `compute_capability`, and the `type` or "
        "`feature` by which Slurm knows it; unset: any GPU is asked for, and looked at on the node.",
    )
    slurm_conf: Path | None = Field(default=None, description="The cluster's `slurm.conf`; unset: the system's.")
    sandbox: Literal["auto", "bubblewrap", "none"] = Field(
        default="auto",
        description="Isolation of tasks: `auto` uses bubblewrap when present and warns when it is not.",
    )
    container_engine: Literal["auto", "podman", "docker", "apptainer", "none"] = Field(
        default="auto",
        description="Program that runs container images: `auto` takes podman, docker or apptainer, in this order.",
    )
    container_pull: bool = Field(
        default=False, description="Whether an image that is not on the machine may be fetched from its registry."
    )
    observe: Literal["auto", "strace", "none"] = Field(
        default="auto",
        description="Seeing which inputs tasks open: `auto` uses strace where it works and says in each record where "
        "it does not; `strace` also watches tasks without inputs, and lets no runner open where it does not work; "
        "`none` is for pipelines that trace others themselves.",
    )
    slots: int = Field(default=0, ge=0, description="Tasks run at once by the local runner; 0 means one per core.")
    pythons: list[Path] = Field(
        default=[],
        description="Interpreters of further Python environments; a locked pipeline runs in the first that holds its "
        "lock, the service's own before them.",
    )
    allow_network: bool = Field(
        default=False, description="Whether pipelines whose descriptor asks for the network may have it."
    )
    uncertified: Literal["allow", "warn", "refuse"] = Field(
        default="warn",
        description="Pipelines without a certificate in force: `allow` them, `warn` in every task, or `refuse` them.",
    )
    leakage: Literal["record", "warn", "refuse"] = Field(
        default="warn",
        description="Models that are used on people whom they were trained on: `record` it in the task, `warn` in its "
        "remarks as well, or `refuse` the task.",
    )
    certificate_days: int = Field(
        default=365, ge=1, le=3650, description="Days that a certificate holds unless another number is asked for."
    )
    import_roots: list[Path] | None = Field(
        default=None,
        description="Folders below which datasets may be registered over HTTP; unset: any, by those permitted.",
    )
    minimum_count: int = Field(
        default=10,
        ge=1,
        description="Fewest participants whose number a `counter` is told, unless the grant says otherwise.",
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

    @model_validator(mode="before")
    @classmethod
    def _take_accounts_out_of_urls(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Keep what is secret in a URL where it is never shown."""
        for part in ("repository", "search"):
            url, user, password = split_account(values.get(f"{part}_url"))
            if user is not None:
                values = {**values, f"{part}_url": url}
                values.setdefault(f"{part}_user", user)
                if password is not None:
                    values.setdefault(f"{part}_password", password)
        return values

    @field_validator("repository_url", "search_url")
    @classmethod
    def _know_the_scheme(cls, url: str | None, info: ValidationInfo) -> str | None:
        refused = url is not None and refusal_of(str(info.field_name), url)
        if refused:
            raise ValueError(refused)
        return url

    def runner_folder(self, name: str) -> Path | None:
        """Return the folder that a runner of this name is to fill; None for the one in the catalogue's folder."""
        return self.catalog / self.slurm_folder if name == "slurm" and self.slurm_folder is not None else None

    def runner_options(self, name: str) -> dict[str, Any]:
        """Return what the factory of a runner is told beside its folder; plugins bring their own settings."""
        if name == "local":
            return {
                "slots": self.slots or None,
                "container_engine": self.container_engine,
                "container_pull": self.container_pull,
                "sandbox": self.sandbox,
                "observe": self.observe,
            }
        if name == "slurm":
            return {
                "partition": self.slurm_partition,
                "account": self.slurm_account,
                "options": self.slurm_options,
                "gpus": self.slurm_gpus,
                "conf": self.slurm_conf,
                "sandbox": self.sandbox,
                "container_engine": self.container_engine,
                "container_pull": self.container_pull,
                "observe": self.observe,
            }
        return {}

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


def split_account(url: object) -> tuple[str | None, str | None, str | None]:
    """Return a URL without its account (RFC 3986, section 3.2.1: userinfo), and the account's name and password."""
    if not isinstance(url, str) or "@" not in url:
        return url if isinstance(url, str) else None, None, None
    try:
        parts = urlsplit(url)
    except ValueError:  # It is refused for what it is; whoever wrote it learns nothing of the account in it.
        return url, None, None
    account, _, host = parts.netloc.rpartition("@")
    user, colon, password = account.partition(":")
    clean = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    return clean, unquote(user), unquote(password) if colon else None


def refusal_of(name: str, url: str) -> str | None:
    """Say why a URL cannot be the setting ``name``; None where it can."""
    words, schemes = _NAMED[name]
    if url in words:
        return None
    if _is_address(url, schemes):
        return None
    return f"give {', '.join(f'{scheme}://HOST' for scheme in schemes)}, or {' or '.join(words)}"


def _is_address(url: str, schemes: Iterable[str]) -> bool:
    """Tell whether a URL says where a server is, and no more.

    What follows a ``?`` may be a secret; of Neo4j it is a routing policy.
    """
    try:
        parts = urlsplit(url)
        more = parts.fragment or (parts.query if parts.scheme in SEARCH_SCHEMES else "")
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and not more
    except ValueError:  # A port that is none, or a bracket that is not closed.
        return False


def load_settings(catalog: Path, *, overrides: dict[str, Any] | None = None, stored_engines: bool = False) -> Settings:
    """Return the settings of a catalogue: defaults, its ``sillage.toml``, the environment, ``overrides``.

    Args:
        catalog: Folder of the catalogue.
        overrides: Values that beat all others.
        stored_engines: Take what the file says about engines and not the environment, which may mean another
            catalogue's where two are open at once.

    Raises:
        InvalidRequestError: The file is not TOML, or a key or value is not one of ours.
    """
    stored = read_settings_file(catalog)
    values = {**stored, "catalog": catalog}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidRequestError(
            f"setting {name}: {first['msg']}", field=name, next_step=f"Mend {FILE_NAME} or SILLAGE_{name.upper()}."
        ) from error
    engines = _stored_engines(stored) if stored_engines else {}
    return settings.model_copy(update={"catalog": catalog, **engines, **(overrides or {})})


def _stored_engines(stored: dict[str, Any]) -> dict[str, Any]:
    """Return what a settings file says about engines; an account only where it names one."""
    said: dict[str, Any] = {name: split_account(stored.get(name))[0] for name in _NAMED}
    for part in ("repository", "search"):
        if (user := stored.get(f"{part}_user")) is not None:
            password, file = stored.get(f"{part}_password"), stored.get(f"{part}_password_file")
            said[f"{part}_user"] = user
            said[f"{part}_password"] = None if password is None else SecretStr(password)
            said[f"{part}_password_file"] = None if file is None else Path(file)
    if "search_ca_file" in stored:
        said["search_ca_file"] = Path(stored["search_ca_file"])
    return said


def read_settings_file(catalog: Path) -> dict[str, Any]:
    """Return what the settings file of a catalogue says; nothing when there is none.

    Raises:
        InvalidRequestError: The file is not TOML.
    """
    file = catalog / FILE_NAME
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{file} is not TOML: {error}", field=FILE_NAME) from error


def write_engines(catalog: Path, settings: Settings) -> None:
    """Write the addresses of servers into the settings file of a catalogue, in place of those that it names.

    Passwords are not written, nor anything else than what says where the engines are.
    """
    file = catalog / FILE_NAME
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    kept = [line for line in lines if not line.lstrip().startswith(("repository_", "search_"))]
    named = {name: value for name in STORED_ENGINES if (value := getattr(settings, name)) is not None}
    # Before everything else: what follows the head of a table belongs to that table.
    written = [f"{name} = {json.dumps(str(value), ensure_ascii=False)}" for name, value in named.items()]
    if written or lines:
        file.write_text("\n".join([*written, *kept]) + "\n", encoding="utf-8")
