"""apptainer as an engine; untested on a real one, see ``docs/howto/run-containers.md``."""

from __future__ import annotations

import hashlib
from pathlib import Path

from typing_extensions import override

from executors.attempts.engines import DIGEST, Engine, Image, Order, mount_options


class Apptainer(Engine):
    """apptainer (or singularity): images are single files, and a container is a child of ours like any other.

    An image pinned by ``sha256:D`` is the SIF file ``D.sif`` in a folder, and has that digest itself: what apptainer
    makes of another image keeps no digest that could be verified.
    """

    name = "apptainer"
    keeps_containers = False
    not_enforced = frozenset({"hostname"})

    def __init__(self, program: str, folder: Path) -> None:
        super().__init__(program)
        self._folder = folder
        self._verified: dict[tuple[str, int], Image] = {}

    @override
    def find(self, reference: str) -> Image | None:
        asked = DIGEST.search(reference)
        path = self._folder / f"{asked[1] if asked else ''}.sif"
        if asked is None or not path.is_file():
            return None
        key = (str(path), path.stat().st_mtime_ns)
        if key not in self._verified:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != asked[1]:
                    return None
            self._verified[key] = Image(run_by=str(path), id=None, digest=asked[1])
        return self._verified[key]

    @override
    def pull_words(self, reference: str) -> list[str]:
        return ["cp", "IMAGE.sif", str(self._folder / f"{reference.rpartition('sha256:')[2]}.sif")]

    @override
    def run_words(self, order: Order) -> list[str]:
        words = [*self.words(), "exec", "--containall", "--cleanenv", "--no-home", "--no-privs"]
        words += ["--drop-caps", "all", "--pwd", order.workdir]
        words += ["--no-mount", "hostfs,bind-paths,home,cwd"]
        words += [] if order.network else ["--net", "--network", "none"]
        words += ["--nv"] if order.gpus else []
        order.environ_file.write_text("".join(f"{k}={_quoted(v)}\n" for k, v in order.environ.items()))
        words += ["--env-file", str(order.environ_file), *mount_options(order, kind="bind", writable="rw")]
        return [*words, order.image, *order.command]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
