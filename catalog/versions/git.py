"""Runs git and git-annex, always with a time limit and never on the terms of the dataset.

A dataset from elsewhere brings its own ``.git/config``, which can name programs to run (``core.fsmonitor``,
hooks, filters, ``core.sshCommand``, ...). Configuration given in the environment beats the repository's own,
so every setting of that kind is overruled there. Nothing of the user's global configuration is read either:
the result must not depend on who runs the service.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.request import getproxies

from ontology.errors import BackendUnavailableError, NotInstalledError, StorageFullError

TIME_LIMIT_S = 300.0
AUTHOR = "Sillage"
MAIL = "sillage@catalogue.invalid"

_OVERRULED: Mapping[str, str] = {
    "safe.directory": "*",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.pager": "cat",
    "core.sshCommand": "false",
    "credential.helper": "",
    "commit.gpgSign": "false",
    "log.showSignature": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "annex.autocommit": "true",
    "annex.dotfiles": "true",
    "filter.annex.process": "",
    "filter.annex.clean": "",
    "filter.annex.smudge": "",
    "filter.annex.required": "false",
    "core.fsync": "committed,loose-object,reference",
    "core.fsyncMethod": "batch",
}
_ONLINE: Mapping[str, str] = {
    "core.hooksPath": os.devnull,
    "core.gitProxy": "",
    "core.sshCommand": "ssh -oBatchMode=yes -oConnectTimeout=10",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "protocol.ssh.allow": "always",
}
_OF_GIT_ITSELF = frozenset(
    k for k in _OVERRULED if k.startswith("filter.annex.") or k in ("core.hooksPath", "core.attributesFile")
)


@dataclass(frozen=True, slots=True)
class Output:
    """What a command gave: exit status, standard output, standard error."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def complaint(self) -> str:
        """The last line of standard error, which is where git says what is wrong."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self.status}"


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository: its folder, and its git directory, which is elsewhere for worktrees and submodules.

    Attributes:
        path: The folder that holds the files (or the bare repository).
        git_dir: The git directory.
        common_dir: The git directory shared by all worktrees; ``annex/`` lies in it.
    """

    path: Path
    git_dir: Path
    common_dir: Path

    @property
    def annex(self) -> Path:
        """Folder of git-annex inside the repository; it may not exist."""
        return self.common_dir / "annex"

    def git(
        self,
        *arguments: str,
        given: bytes | None = None,
        time_limit_s: float = TIME_LIMIT_S,
        config: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run ``git`` here and return its standard output.

        Raises:
            BackendUnavailableError: It failed or ran past its time limit.
            StorageFullError: The disk is full.
        """
        output = self.try_git(*arguments, given=given, time_limit_s=time_limit_s, config=config)
        if output.status:
            raise _failure(f"git {arguments[0]}", output)
        return output.stdout

    def try_git(
        self,
        *arguments: str,
        given: bytes | None = None,
        time_limit_s: float = TIME_LIMIT_S,
        config: Mapping[str, str] | None = None,
    ) -> Output:
        """Run ``git`` here and return what it gave, failure included.

        Raises:
            BackendUnavailableError: It ran past its time limit.
        """
        extra = {"GIT_DIR": str(self.git_dir)}
        if self.git_dir != self.path:
            extra["GIT_WORK_TREE"] = str(self.path)
        environment = make_environment({**_OVERRULED, **(config or {})}, extra)
        return execute(
            [_git(), *arguments], cwd=self.path, environment=environment, given=given, time_limit_s=time_limit_s
        )


def open_repository(path: Path) -> Repository | None:
    """Return the repository that starts at exactly this folder, or None; parents are not looked at."""
    dot_git = path / ".git"
    git_dir = path if _is_bare(path) else dot_git
    if not git_dir.exists():
        return None
    if git_dir.is_dir() and (git_dir / "HEAD").is_file() and not (git_dir / "commondir").exists():
        return Repository(path, git_dir, git_dir)
    environment = make_environment(_OVERRULED, {"GIT_DIR": str(git_dir)})
    command = [_git(), "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir"]
    output = execute(command, cwd=path, environment=environment)
    lines = output.stdout.decode(errors="surrogateescape").splitlines()
    if output.status or len(lines) != 2:
        return None
    return Repository(path, Path(lines[0]), Path(lines[1]))


def git_annex(
    path: Path, *arguments: str, time_limit_s: float = TIME_LIMIT_S, given: bytes | None = None, online: bool = False
) -> Output:
    """Run ``git annex`` in a folder and return what it gave.

    Raises:
        BackendUnavailableError: It ran past its time limit.
        NotInstalledError: There is no git-annex.
    """
    program = program_path("git-annex")
    environment = annex_environment(path, online=online)
    command = [program, *arguments]
    return execute(command, cwd=path, environment=environment, given=given, time_limit_s=time_limit_s)


def program_path(name: str) -> str:
    """Return where a program lies: beside our Python, or on the search path.

    Raises:
        NotInstalledError: It is nowhere.
    """
    program = shutil.which(name, path=_search_path())
    if program is None:
        raise NotInstalledError(f"{name} is not installed", next_step="Install it: pip install 'sillage[server]'")
    return program


def annex_environment(path: Path, *, online: bool = False) -> dict[str, str]:
    """Return the environment for git-annex or DataLad in a folder.

    They start git themselves and need its filters and hooks in place, so those stay; what else a foreign
    configuration could make them run is overruled all the same, and the network is out of reach unless told.
    """
    config = {k: v for k, v in _OVERRULED.items() if k not in _OF_GIT_ITSELF}
    extra = {"GIT_CEILING_DIRECTORIES": str(path.parent), "GIT_OPTIONAL_LOCKS": "1"}
    if online:
        config = {**config, **_ONLINE}
        extra |= {"GIT_ALLOW_PROTOCOL": "file:http:https:ssh"}
        extra |= {f"{scheme}_proxy": url for scheme, url in getproxies().items()}
    return make_environment(config, extra)


def make_environment(config: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a child: nothing of ours is inherited but where programs lie."""
    environment = {
        "PATH": _search_path(),
        "HOME": str(Path.home()),
        "LC_ALL": "C.UTF-8",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_ASKPASS": "true",
        "GIT_AUTHOR_EMAIL": MAIL,
        "GIT_AUTHOR_NAME": AUTHOR,
        "GIT_COMMITTER_EMAIL": MAIL,
        "GIT_COMMITTER_NAME": AUTHOR,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS": "true",
        "GIT_CONFIG_COUNT": str(len(config)),
    }
    for number, (name, value) in enumerate(config.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = name
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return {**environment, **extra}


def execute(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    given: bytes | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> Output:
    """Run a command to its end, or kill it with all its children at the time limit.

    Raises:
        BackendUnavailableError: It ran past its time limit, or could not be started.
    """
    name = Path(command[0]).name
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise BackendUnavailableError(f"{name} could not be started: {error.strerror}") from error
    try:
        stdout, stderr = process.communicate(given, timeout=time_limit_s)
    except subprocess.TimeoutExpired as error:
        raise BackendUnavailableError(f"{name} {command[1]} did not end within {time_limit_s:g} s") from error
    finally:
        if process.returncode is None:
            _kill(process)
    return Output(process.returncode, stdout, stderr)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole session of a child: grandchildren hold its pipes open and may go on downloading."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def require_success(what: str, output: Output) -> bytes:
    """Return the standard output of a command that must have succeeded.

    Raises:
        BackendUnavailableError: It failed.
        StorageFullError: It failed because the disk is full.
    """
    if output.status:
        raise _failure(what, output)
    return output.stdout


def _failure(what: str, output: Output) -> BackendUnavailableError:
    full = b"No space left on device" in output.stderr or b"Disk quota exceeded" in output.stderr
    return (StorageFullError if full else BackendUnavailableError)(f"{what} failed: {output.complaint}")


def _is_bare(path: Path) -> bool:
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


@cache
def _git() -> str:
    program = shutil.which("git")
    if program is None:
        raise NotInstalledError("git is not installed", next_step="Install git 2.30 or newer.")
    return program


@cache
def _search_path() -> str:
    """Return where programs are looked for: beside our Python first, because that is where git-annex's wheel is."""
    here = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent), str(Path(_git()).parent)]
    return os.pathsep.join(dict.fromkeys([*here, *os.defpath.split(os.pathsep), "/usr/local/bin"]))
