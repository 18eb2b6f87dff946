"""Backup and restore: one tar with records, ledger, keys, terms, and the files of pipelines and reference cases.

The data themselves are DataLad datasets and are backed up by their own means (siblings); the archive holds
what says which versions of them belong to the catalogue. See ``docs/howto/back-up-and-restore.md``.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from api.catalogue import CATALOG_ALIAS, TERMS_FILE, Catalogue
from api.engines import write_mark
from api.settings import FILE_NAME, STORED_ENGINES, load_settings, write_engines
from catalog.backends.sqlite import SqliteRepository
from ontology.errors import ConflictError, InvalidRequestError, NotFoundError, UnsupportedError
from ontology.terms import TermIndex

FOLDERS = ("keys", "terms", "pipelines", "references")
FILES = (FILE_NAME,)
STORE = "catalog.sqlite"
MARK = "sillage-backup-1"


def _make_private(folder: Path) -> None:
    """Keep the keys and the token from everybody else on the machine."""
    folder.chmod(0o700)
    for path in [folder / "keys", *(folder / "keys").rglob("*")]:
        if path.exists():
            path.chmod(0o700 if path.is_dir() else 0o600)


def rebuild_terms(directory: Path) -> None:
    """Load the ontologies of a catalogue anew from the sources that it keeps."""
    (directory / TERMS_FILE).unlink(missing_ok=True)
    with TermIndex.open(directory / TERMS_FILE) as terms:
        for source in sorted((directory / "terms").glob("*")):
            terms.load(source)


def _iri(directory: Path) -> str:
    with closing(SqliteRepository.open(directory)) as repository:
        return str(repository.find_alias(CATALOG_ALIAS))


@contextmanager
def archive(catalogue: Catalogue) -> Iterator[Path]:
    """Make the archive of an open catalogue; the file is gone when the context ends.

    Raises:
        UnsupportedError: The repository is on a server.
    """
    require_backup(catalogue)
    with tempfile.TemporaryDirectory(dir=catalogue.directory, prefix=".backup-") as folder:
        store = Path(folder) / STORE
        catalogue.repository.backup(store)
        target = Path(folder) / "backup.tar"
        with tarfile.open(target, "w") as tar:
            tar.addfile(tarfile.TarInfo(MARK))
            tar.add(store, arcname=STORE)
            for name in (*FOLDERS, *FILES):
                present = catalogue.directory / name
                if present.exists():
                    tar.add(present, arcname=name)
        yield target


def require_backup(catalogue: Catalogue) -> None:
    """Refuse a backup that the repository's engine cannot make.

    Raises:
        UnsupportedError: The repository is on a server.
    """
    if not catalogue.repository.capabilities.supports_backup:
        raise UnsupportedError(
            "this catalogue's repository is on a server, which is backed up by its own means",
            next_step="Use the server's own backup, or `sillage copy` into a folder and back that up.",
        )


def _extract(file: Path, tar: tarfile.TarFile, folder: Path) -> None:
    """Take out files and folders, and nothing that leads elsewhere: ``backup`` writes neither links nor devices.

    Done here because Python filters by itself only from 3.11.4 on (PEP 706).

    Raises:
        InvalidRequestError: The archive holds something else.
    """
    for member in tar.getmembers():
        if not (member.isreg() or member.isdir()) or member.name.startswith("/") or ".." in member.name.split("/"):
            raise InvalidRequestError(f"{file} holds {member.name!r}, which no backup does", field="FILE")
        member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
        member.mode = (member.mode | (0o700 if member.isdir() else 0o600)) & 0o755
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        tar.extractall(folder)  # noqa: S202


def restore(file: Path, directory: Path) -> dict[str, Any]:
    """Make a catalogue in ``directory`` from an archive; views are rebuilt when it is first opened.

    Raises:
        NotFoundError: There is no such archive.
        InvalidRequestError: The file is not an archive that ``backup`` wrote.
        ConflictError: The folder is not empty.
    """
    if not file.is_file():
        raise NotFoundError(f"no file {file}", field="FILE")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConflictError(f"{directory} exists and is not an empty folder", field="DIR")
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with tarfile.open(file) as tar:
            if MARK not in tar.getnames():
                raise InvalidRequestError(f"{file} is not a backup of a catalogue", field="FILE")
            _extract(file, tar, partial)
        (partial / MARK).unlink()
        _make_private(partial)
        rebuild_terms(partial)
        # Servers that the catalogue was on go on without it: what is restored stands on its own.
        write_engines(partial, load_settings(partial).model_copy(update=dict.fromkeys(STORED_ENGINES)))
        write_mark(partial, _iri(partial))
        if directory.exists():
            directory.rmdir()
        partial.rename(directory)
    except tarfile.TarError as error:
        raise InvalidRequestError(f"{file} is not a whole archive: {error}", field="FILE") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"path": str(directory.resolve()), "next_step": f"sillage check --catalog {directory}"}
