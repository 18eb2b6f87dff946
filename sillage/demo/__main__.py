"""``python -m sillage.demo DIR``: the whole story, told as it happens, and a page to open at the end."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from sillage.demo.story import Story
from sillage.demo.telling import Teller


def main() -> int:
    """Run the story in a folder of its own; serve the catalogue afterwards when somebody is looking."""
    parser = argparse.ArgumentParser(prog="python -m sillage.demo", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder for the study and its catalogue; made anew each time")
    parser.add_argument("--port", type=int, default=8000, help="port of the pages")
    parser.add_argument("--no-serve", action="store_true", help="end without serving the pages")
    arguments = parser.parse_args()
    _make_room(arguments.folder)
    story = Story(arguments.folder, Teller())
    try:
        passed = story.tell()
    except KeyboardInterrupt:
        return 130
    if not passed:
        return 1
    sillage = [str(Path(sys.executable).with_name("sillage")), "--catalog", str(story.catalog)]
    serve = [*sillage, "serve", "--port", str(arguments.port)]
    if arguments.no_serve or not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(f"\nNow open the page: {' '.join(serve)}")
        return 0
    return subprocess.call(serve)


def _make_room(folder: Path) -> None:
    """Remove what an earlier run made, and nothing else: annexed content is write-protected."""
    for name in ("study", "catalog", "evidence"):
        old = folder / name
        if old.exists():
            for path in [old, *(p for p in old.rglob("*") if p.is_dir() and not p.is_symlink())]:
                path.chmod(0o755)
            shutil.rmtree(old)
    folder.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
