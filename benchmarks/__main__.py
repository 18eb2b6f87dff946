"""Run the benchmarks, all or by name, and say how each measure stands to its budget.

    python -m benchmarks [NAME ...] [--quick] [--json FILE]

Each runs in a process of its own and takes turns between us and the other within it. A benchmark that fails is
said so at the end, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import line

ROOT = Path(__file__).resolve().parents[1]
QUICK: Mapping[str, Sequence[str]] = {
    "registration": ("--participants", "4", "--rounds", "1"),
    "durable_write": ("--rounds", "1"),
    "lineage": ("--results", "20000", "--rounds", "1"),
    "ledger_verify": ("--records", "1000", "--rounds", "1"),
    "prov_formats": ("--activities", "200", "--rounds", "1"),
    "noop_chain": ("--quick",),
    "record_read": ("--quick",),
    "cohort_http": ("--quick",),
    "batch": ("--quick",),
}
PARTS = frozenset({"__main__", "__init__", "measuring", "bids_study", "cohort_rivals", "cohort_world", "storm_world"})
"""Modules that are no benchmarks themselves."""


def names() -> list[str]:
    """Return the names of the benchmarks."""
    return sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in PARTS)


def run(name: str, *, quick: bool) -> dict[str, Any] | None:
    """Run one benchmark and print what it found; return that, or None when it failed."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *(QUICK.get(name, ("--quick",)) if quick else ())]
    if "--json" in (ROOT / "benchmarks" / f"{name}.py").read_text():
        command.append("--json")
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    print(f"\n== {name} ({time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f})", flush=True)
    if done.returncode:
        print(f"failed with status {done.returncode}\n{done.stdout}")
        return None
    if command[-1] != "--json":
        print(done.stdout)
        return {"benchmark": name, "text": done.stdout}
    found: dict[str, Any] = json.loads(done.stdout)
    for row in found["rows"]:
        print(line(row) if {"ours", "other", "unit"} <= row.keys() else "  ".join(f"{k} {v}" for k, v in row.items()))
    return found


def main() -> int:
    """Read the options, run, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; default all")
    parser.add_argument("--quick", action="store_true", help="small data: to see that they run, not how fast")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found here too")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(names())
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    chosen = asked.names or names()
    found = {name: run(name, quick=asked.quick) for name in chosen}
    if asked.json:
        asked.json.write_text(json.dumps([answer for answer in found.values() if answer], indent=1) + "\n")
    failed = [name for name, answer in found.items() if answer is None]
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
