"""``sillage copy``: the same catalogue in another folder and on other engines, with the very same ledger.

It can be broken off at any moment and given again: it goes on where it stopped, and the target is no catalogue before
all of it was compared. The source is only read; what is written to it meanwhile is found out at the end.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from api.archive import FOLDERS, rebuild_terms
from api.catalogue import TERMS_FILE, checked_engines, prepare_folder
from api.data_copy import Copied, Data, copy_tree
from api.engines import (
    UNFINISHED,
    create_repository,
    is_catalogue,
    open_repository,
    open_search,
    origin_of,
    repository_engine,
    search_engine,
    write_mark,
)
from api.settings import FILE_NAME, Settings, load_settings, write_engines
from catalog.repository import Repository
from catalog.transfer import Digests, digests
from ontology.errors import ConflictError, IntegrityError, NotFoundError
from ontology.terms import TermIndex
from provenance.ledger.keys import SigningKey

KEY_FILE: Final = Path("keys") / "ledger.pem"
COPIED_FOLDERS: Final = (*FOLDERS, "logs")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be copied where.

    Attributes:
        source: Folder of the catalogue.
        target: A new or empty folder, or one where an earlier try was broken off.
        repository_url: Server for the target's records; unset: SQLite in its folder.
        search_url: Server for the target's search; unset: an index in its folder.
        data: What becomes of the data.
    """

    source: Path
    target: Path
    repository_url: str | None = None
    search_url: str | None = None
    data: Data = Data.LINK


def copy(order: Order, tell: Tell = lambda text: None) -> dict[str, Any]:
    """Copy a catalogue and return what was compared.

    Raises:
        NotFoundError: There is no catalogue in the source folder.
        ConflictError: The target holds other things; or the source was written to meanwhile.
        IntegrityError: The copy is not the same, or the source is damaged; the target stays unfinished.
        BackendUnavailableError: An engine is away; the same command goes on later.
        OutcomeUnknownError: The target was lost while it wrote; the same command finds out and goes on.
    """
    source = order.source.resolve()
    if not is_catalogue(source):
        raise NotFoundError(f"no catalogue in {source}", field="SOURCE")
    engines = checked_engines(repository_url=order.repository_url, search_url=order.search_url)
    target = order.target.resolve()
    if target == source or target.is_relative_to(source) or source.is_relative_to(target):
        raise ConflictError("SOURCE and TARGET lie in each other", field="TARGET")
    settings = load_settings(source, stored_engines=True)
    with closing(open_repository(source, settings)) as repository:
        wanted = _begin(target, source, origin_of(repository), engines)
        with closing(_target_repository(target, wanted, repository, source)) as copied:
            return _fill(order, tell, repository, copied, wanted)


def _fill(order: Order, tell: Tell, source: Repository, target: Repository, wanted: Settings) -> dict[str, Any]:
    folder = order.target.resolve()
    _load(source, target, tell)
    store = copy_tree(
        order.source.resolve() / "store", folder / "store", order.data, lambda done: tell(f"Copying data: {done}")
    )
    for name in COPIED_FOLDERS:
        copy_tree(order.source.resolve() / name, folder / name, Data.COPY)
    compared = _compare(source, target, tell)
    tell("Loading terms ...")
    rebuild_terms(folder)
    tell("Building the search index ...")
    with (
        TermIndex.open(folder / TERMS_FILE) as terms,
        closing(open_search(folder, wanted, terms, target)) as search,
    ):
        applied = search.rebuild(target)
    _refuse_growth(source, compared.entries)
    iri = str(target.find_alias("catalog"))
    write_mark(folder, iri)
    (folder / UNFINISHED).unlink()
    return _report(order, iri, wanted, compared, store, applied)


def _report(order: Order, iri: str, wanted: Settings, compared: Digests, store: Copied, applied: int) -> dict[str, Any]:
    return {
        "id": iri,
        "path": str(order.target.resolve()),
        "equal": True,
        "repository": asdict(repository_engine(wanted)),
        "search": asdict(search_engine(wanted)) | {"applied": applied},
        "digests": compared.to_json(),
        "data": asdict(store) if order.data is not Data.LEAVE else None,
        "next_step": f"Serve {order.target} from now on, and {order.source} no more.",
    }


def _begin(target: Path, source: Path, origin: str, engines: dict[str, str]) -> Settings:
    """Make the target's folder, or take up the one of an earlier try; return its settings.

    Raises:
        ConflictError: The folder holds other things, or the earlier try was of something else.
    """
    note = target / UNFINISHED
    asked = {"origin": origin, "repository_url": engines.get("repository_url"), "search_url": engines.get("search_url")}
    if note.is_file():
        begun = tomllib.loads(note.read_text(encoding="utf-8"))
        if begun != {name: value for name, value in asked.items() if value is not None}:
            raise ConflictError(
                f"in {target} another copy was begun",
                field="TARGET",
                next_step=f"Repeat that one, or remove {target} (and empty the server that it names).",
            )
    else:
        prepare_folder(target)
        lines = [f'{name} = "{value}"' for name, value in asked.items() if value is not None]
        note.write_text("# A copy that is not finished: give the same command again.\n" + "\n".join(lines) + "\n")
    if (source / FILE_NAME).is_file():
        shutil.copyfile(source / FILE_NAME, target / FILE_NAME)
    # Its account is the one of the environment: the file is the source's, and says that of the source's server.
    stored = load_settings(target)
    wanted = _with_engines(stored, engines)
    write_engines(target, wanted)
    return wanted


def _with_engines(settings: Settings, engines: dict[str, str]) -> Settings:
    """Return settings with other engines; an account is kept where there is a server to use it at."""
    changed: dict[str, Any] = {}
    for part in ("repository", "search"):
        changed[f"{part}_url"] = url = engines.get(f"{part}_url")
        if url is None:
            changed |= {f"{part}_user": None, f"{part}_password": None, f"{part}_password_file": None}
    return settings.model_copy(update=changed)


def _target_repository(target: Path, wanted: Settings, source: Repository, folder: Path) -> Repository:
    """Make the target's repository with the ledger's own key, or open the one that an earlier try began."""
    key = SigningKey.load(folder / KEY_FILE, origin_of(source))
    if (target / KEY_FILE).is_file():
        try:
            return open_repository(target, wanted)
        except NotFoundError:
            (target / KEY_FILE).unlink()
    return create_repository(target, wanted, name=key.name, key=key)


def _load(source: Repository, target: Repository, tell: Tell) -> None:
    """Bring over what the target lacks of the ledger.

    Raises:
        ConflictError: The target's ledger is not the beginning of the source's.
    """
    present, whole = target.sequence, source.sequence + 1
    if present + 1 > whole:
        raise ConflictError("the target has entries that the source has not", field="TARGET")

    def told() -> Any:
        for entered in source.export(after=present):
            if entered.entry.sequence % 1000 == 0:
                tell(f"Copying the ledger: {entered.entry.sequence} of {whole} entries")
            yield entered

    target.load(told())


def _compare(source: Repository, target: Repository, tell: Tell) -> Digests:
    """Return the digests of both when they are the same, and the target is sound.

    Raises:
        IntegrityError: They are not, or it is not.
        ConflictError: The source was written to meanwhile.
    """
    copied = digests(target, lambda done, of: tell(f"Reading the copy: {100 * done // max(of, 1)} %"))
    _refuse_growth(source, copied.entries)
    original = digests(source, lambda done, of: tell(f"Comparing: {100 * done // max(of, 1)} %"))
    _refuse_growth(source, copied.entries)
    different = original.differences(copied)
    if different:
        raise IntegrityError(
            f"the copy is not the same: {', '.join(different)}",
            next_step="Run `sillage check` on the source; then remove the target and copy again.",
            params={"source": original.to_json(), "target": copied.to_json()},
        )
    tell("Checking the copy ...")
    problem = next(iter(target.check()), None)
    if problem is not None:
        raise IntegrityError(f"the copy is not sound: {problem.where}: {problem.detail}")
    return copied


def _refuse_growth(source: Repository, entries: int) -> None:
    if source.sequence + 1 != entries:
        raise ConflictError(
            "the source was written to while it was copied",
            field="SOURCE",
            next_step="Stop what writes to it, and give the same command again: it brings the rest.",
        )
