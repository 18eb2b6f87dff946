"""Repeats one run whose results lie in this dataset, with Python's standard library and without Sillage.

    datalad rerun COMMIT                                          does this by itself, for each run
    python3 code/rerun.py code/runs/AA/ID.json COMMAND ...        what it starts
    python3 code/rerun.py --packages code/environments/ID.json    says what to install: for pip install -r

The run's inputs, the pipeline's own files and an empty working folder are laid out as they were: at the same paths,
read-only and alone, without network, by bubblewrap or in the container that the run names. Without bubblewrap the
paths in the command are rewritten to where things lie. What is here is held against what was recorded: inputs by
their SHA-256, the environment by its packages. Outputs replace those of the dataset, and git says whether they differ.

Environment variables: RERUN_ANYWAY=1 goes on in another environment; RERUN_SANDBOX=none does without bubblewrap.

Exit status: that of the command; 1 an output is missing; 2 usage; 3 another environment; 4 an input is not here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

Document = Mapping[str, Any]

MISSING, USAGE, ENVIRONMENT, INPUT = 1, 2, 3, 4
_CHUNK = 1 << 20
_SHOWN = 10
_BATCH = 500


class RefusedError(Exception):
    """Why the run is not repeated; ``status`` is what to exit with."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def main(arguments: Sequence[str]) -> int:
    """Repeat the run that the arguments name."""
    root = Path(__file__).resolve().parent.parent
    try:
        if len(arguments) == 2 and arguments[0] == "--packages":
            print("\n".join(_read(Path(arguments[1]))["packages"]))
            return 0
        if len(arguments) < 2 or arguments[0].startswith("-"):
            raise RefusedError(USAGE, str(__doc__))
        return repeat(root, _read(root / arguments[0]), arguments[1:])
    except RefusedError as error:
        print(f"rerun: {error}", file=sys.stderr)
        if error.status != USAGE:
            lock_outputs(root, _read(root / arguments[0]))
        return error.status


def lock_outputs(root: Path, run: Document) -> None:
    """Undo that DataLad unlocked the outputs, and removed those without content, so that the dataset is as it was."""
    paths = [item["to"] for item in run["outputs"]]
    for start in range(0, len(paths), _BATCH):
        some = paths[start : start + _BATCH]
        removed = [path for path in some if not os.path.lexists(root / path)]
        if removed:
            _git(root, "--literal-pathspecs", "checkout", "-q", "HEAD", "--", *removed)
        _git(root, "annex", "lock", "--quiet", "--", *some)


def repeat(root: Path, run: Document, command: Sequence[str]) -> int:
    """Lay a run out, carry it out, and put what it wrote at its places in the dataset."""
    environment = _read(root / run["environment"])
    check_environment(environment)
    git = root / ".git"
    scratch = Path(tempfile.mkdtemp(prefix="rerun-", dir=git if git.is_dir() else None))
    try:
        work = scratch / "work"
        work.mkdir()
        readable = {mount["path"]: root / mount["place"] for mount in run["mounts"]}
        readable |= {item["path"]: find_input(root, item, scratch) for item in run["inputs"]}
        readable |= _write_contents(root, run, scratch)
        launch, environ = _launch(run, environment, command, scratch, readable)
        status = subprocess.run(launch, cwd=work, env=environ, check=False).returncode
        if status:
            raise RefusedError(status if status > 0 else 128 - status, f"the command ended with status {status}")
        return put_outputs(root, run, work)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def check_environment(environment: Document) -> None:
    """Say what differs between the environment of the run and this one, and refuse unless told to go on."""
    found = list(differences(environment))
    if not found:
        return
    shown = found[:_SHOWN] + ([f"... and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else [])
    listed = "\n  ".join(shown)
    if os.environ.get("RERUN_ANYWAY") == "1":
        print(f"rerun: in another environment than then, as told:\n  {listed}", file=sys.stderr)
        return
    raise RefusedError(
        ENVIRONMENT,
        f"the environment is not the one that the run had:\n  {listed}\n"
        "Install what it had (python3 code/rerun.py --packages FILE > packages.txt; pip install -r packages.txt), or "
        "set RERUN_ANYWAY=1 to go on: results may differ then.",
    )


def differences(environment: Document) -> list[str]:
    """Return how this environment differs from that of a run; what is here beyond it is no difference."""
    if environment["kind"] != "python":
        return []
    found = []
    here = ".".join(map(str, sys.version_info[:3]))
    if environment["python"] not in (None, here):
        found.append(f"Python {environment['python']} ran, this is {here}")
    installed = {_normal(item.metadata["Name"]): item.version for item in metadata.distributions()}
    for pinned in environment["lock"] or environment["packages"]:
        name, _, version = pinned.partition("==")
        there = installed.get(_normal(name))
        if there != version:
            found.append(f"{name} {version} ran, {there or 'none'} is here")
    return found


def find_input(root: Path, item: Document, scratch: Path) -> Path:
    """Return where the content of an input lies: at its place, or as its own dataset had it at the time."""
    place: Path | None = root / item["place"] if item["place"] else None
    if place is not None and _is_same(place, item["sha256"]):
        return place.resolve()
    found = _find_by_version(root, item, scratch) if place is not None else None
    if found is not None and _is_same(found, item["sha256"]):
        return found
    where = item["place"] or item["path"]
    state = "has another content than it had" if place is not None and place.is_file() else "is not here"
    raise RefusedError(
        INPUT,
        f"the input {where} {state} (SHA-256 {item['sha256']}).\nGet it: datalad get {where}\n"
        "Where nobody has it any more, its participant may have withdrawn: its content was destroyed then, and this "
        "run cannot be repeated.",
    )


def _is_same(place: Path, sha256: str | None) -> bool:
    """Tell whether a file has the content that it had; of a folder, no digest was taken."""
    return place.exists() if sha256 is None else place.is_file() and digest(place) == sha256


def _find_by_version(root: Path, item: Document, scratch: Path) -> Path | None:
    """Have git say what the source dataset held at the commit that was used, and git-annex get it."""
    dataset: Path = root / item["dataset"]
    if not (dataset / ".git").exists():
        return None
    said = _git(dataset, "cat-file", "blob", f"{item['commit']}:{item['place'][len(item['dataset']) + 1 :]}")
    if said is None:
        return None
    key = said.rstrip(b"\n").rpartition(b"/")[2].decode(errors="replace")
    if b"annex/objects/" not in said or len(said) > _CHUNK:
        copy = scratch / hashlib.sha256(said).hexdigest()
        copy.write_bytes(said)
        return copy
    location = _git(dataset, "annex", "contentlocation", key)
    if location is None:
        _git(dataset, "annex", "get", f"--key={key}")
        location = _git(dataset, "annex", "contentlocation", key)
    return None if location is None else (dataset / os.fsdecode(location.rstrip(b"\n"))).resolve()


def _git(folder: Path, *arguments: str) -> bytes | None:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _write_contents(root: Path, run: Document, scratch: Path) -> dict[str, Path]:
    """Write the small files that we wrote for the run; return those that lie outside the working folder."""
    outside: dict[str, Path] = {}
    prefix = run["workdir"].rstrip("/") + "/"
    for number, item in enumerate(run["contents"]):
        if item["path"].startswith(prefix):
            place = scratch / "work" / item["path"][len(prefix) :]
        else:
            outside[item["path"]] = place = scratch / f"content-{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        content = item["content"].encode() if "content" in item else _rows(root, item)
        place.write_bytes(content)
    return outside


def _rows(root: Path, item: Document) -> bytes:
    """Return the rows of a table that the run was given, taken from the table itself."""
    table = root / item["table"] if item["table"] else None
    if table is None or not table.is_file():
        raise RefusedError(INPUT, f"the table {item['table'] or item['path']} is not here: datalad get {item['table']}")
    head, *lines = table.read_bytes().splitlines(keepends=True)
    wanted = {label.encode() for label in item["rows"]}
    content = b"".join([head, *(line for line in lines if line.split(b"\t")[0].strip() in wanted)])
    if hashlib.sha256(content).hexdigest() != item["sha256"]:
        raise RefusedError(INPUT, f"the table {item['table']} says something else of these participants than it did")
    return content


def _launch(
    run: Document, environment: Document, command: Sequence[str], scratch: Path, readable: Mapping[str, Path]
) -> tuple[list[str], dict[str, str]]:
    """Return what to start, and its environment variables."""
    variables = dict(run["variables"])
    if variables.get("CUDA_VISIBLE_DEVICES"):
        variables["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    if environment["kind"] == "container":
        return container(run, environment["image"], command, scratch, readable, variables), dict(os.environ)
    places, words = dict(readable), list(command)
    if environment["kind"] == "python" and words[0] in ("python", "python3"):
        words[0] = _interpreter(places)
    program = shutil.which("bwrap") if os.environ.get("RERUN_SANDBOX") != "none" else None
    base = _base(scratch, network=run["network"]) if program else []
    if program and subprocess.run([program, *base, "--", "/usr/bin/true"], capture_output=True, check=False).returncode:
        program = None
    if program is None:
        print("rerun: without a sandbox: paths are rewritten, and results that hold a path differ", file=sys.stderr)
        return rewritten(run, words, scratch, places, variables)
    options = [*base, "--bind", str(scratch / "work"), run["workdir"]]
    for path, lies in places.items():
        options += ["--ro-bind", str(lies), path]
    options += ["--remount-ro", "/", "--chdir", run["workdir"]]
    for name, value in variables.items():
        options += ["--setenv", name, value]
    return [program, *options, "--", *words], {"PATH": "/usr/bin:/bin"}


def _interpreter(places: dict[str, Path]) -> str:
    """Return what this interpreter is called in the sandbox, and add the folders that it needs."""
    base = {Path(sys.base_prefix), Path(sys.base_prefix).resolve(), Path(sys.executable).resolve().parent.parent}
    places |= {str(place): place for place in sorted(base) if place != Path("/") and not _is_below(place, "/usr")}
    if sys.prefix == sys.base_prefix:
        return str(Path(sys.executable).resolve())
    places["/env"] = Path(sys.prefix)
    return (
        f"/env/{os.path.relpath(sys.executable, sys.prefix)}"
        if _is_below(sys.executable, sys.prefix)
        else "/env/bin/python"
    )


def _is_below(place: str | Path, folder: str) -> bool:
    return str(place) == folder or str(place).startswith(folder.rstrip("/") + "/")


def _base(scratch: Path, *, network: bool) -> list[str]:
    """Return bubblewrap's options for a root that holds the system's programs alone, as the run saw it."""
    (scratch / "passwd").write_text(f"task:x:{os.getuid()}:{os.getgid()}:task:/tmp:/bin/sh\n")
    (scratch / "group").write_text(f"task:x:{os.getgid()}:\n")
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    options += ["--hostname", "sillage", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        top = Path("/", name)
        if top.is_symlink():
            options += ["--symlink", os.readlink(top), str(top)]
        elif top.is_dir():
            options += ["--ro-bind", str(top), str(top)]
    etc = ["ld.so.cache", "alternatives", "localtime", "nsswitch.conf"]
    if network:
        options.append("--share-net")
        etc += ["resolv.conf", "hosts", "ssl", "ca-certificates"]
    for name in etc:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in ("passwd", "group"):
        options += ["--ro-bind", str(scratch / name), f"/etc/{name}"]
    options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm", "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108
    for device in sorted(Path("/dev").glob("nvidia*")):
        options += ["--dev-bind-try", str(device), str(device)]
    return options


def rewritten(
    run: Document, words: Sequence[str], scratch: Path, places: Mapping[str, Path], variables: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Return the command with every path that the sandbox had replaced by where things lie here."""
    known = {run["workdir"]: str(scratch / "work"), "/tmp": str(scratch / "tmp")}  # noqa: S108
    (scratch / "tmp").mkdir()
    for path, lies in places.items():
        if lies.is_dir():
            known[path] = str(lies)
            continue
        # A command that looks beside an input finds what it would have found, and no odd name gets into a command.
        link = scratch / "root" / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(lies)
        known[path] = str(link)
    longest_first = sorted(map(re.escape, known), key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w./~-])({'|'.join(longest_first)})(?![\w.-])")

    def place(word: str) -> str:
        return pattern.sub(lambda found: known[found[1]], word)

    return [place(word) for word in words], {name: place(value) for name, value in variables.items()}


def container(
    run: Document,
    image: str,
    command: Sequence[str],
    scratch: Path,
    readable: Mapping[str, Path],
    variables: Mapping[str, str],
) -> list[str]:
    """Return the call of podman, docker or apptainer that runs the command in its image.

    Raises:
        RefusedError: None of them is here.
    """
    mounts = [(str(lies), path, "ro") for path, lies in readable.items()]
    mounts.append((str(scratch / "work"), run["workdir"], "rw"))
    for name, identity in (("podman", ["--userns", "keep-id"]), ("docker", ["--user", f"{os.getuid()}:{os.getgid()}"])):
        program = shutil.which(name)
        if program is not None:
            words = [program, "run", "--rm", *identity, "--workdir", run["workdir"], "--entrypoint", command[0]]
            words += [] if run["network"] else ["--network", "none"]
            words += [word for lies, path, mode in mounts for word in ("--volume", f"{lies}:{path}:{mode}")]
            words += [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
            return [*words, image, *command[1:]]
    program = shutil.which("apptainer") or shutil.which("singularity")
    if program is None:
        raise RefusedError(ENVIRONMENT, f"the run used the image {image}: install podman, docker or apptainer")
    words = [program, "exec", "--containall", "--cleanenv", "--pwd", run["workdir"]]
    words += [word for lies, path, mode in mounts for word in ("--bind", f"{lies}:{path}:{mode}")]
    words += [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    return [*words, f"docker://{image}", *command]


def put_outputs(root: Path, run: Document, work: Path) -> int:
    """Move what was written to its places in the dataset, and say how it compares with what was recorded."""
    missing, different = [], []
    for item in run["outputs"]:
        made, place = work / item["from"], root / item["to"]
        if not made.is_file() or not _is_below(made.resolve(), str(work.resolve())):
            missing.append(item["to"])
            continue
        if digest(made) != item["sha256"]:
            different.append(item["to"])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        shutil.copyfile(made, place)
    same = len(run["outputs"]) - len(missing) - len(different)
    print(f"rerun: {same} of {len(run['outputs'])} outputs are the same, byte for byte", file=sys.stderr)
    for word, paths in (("differs", different), ("was not written", missing)):
        for path in paths[:_SHOWN]:
            print(f"rerun: {path} {word}", file=sys.stderr)
    return MISSING if missing else 0


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RefusedError(USAGE, f"{path} cannot be read: {error}") from error


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
