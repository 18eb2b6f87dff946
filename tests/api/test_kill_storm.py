"""Everything is killed at random moments: nothing acknowledged is lost, nothing runs twice, nothing is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.kill_storm import rage

KILLS = int(os.environ.get("SILLAGE_TEST_STORM_KILLS", "12"))
SEED = int(os.environ.get("SILLAGE_TEST_STORM_SEED", "7"))


@pytest.mark.timeout(1500)
@pytest.mark.service
@pytest.mark.usefixtures("bubblewrap", "strace")
def test_a_storm_of_kills_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    report = rage(tmp_path / "storm", kills=KILLS, seed=SEED)
    assert report.wrong == []
    assert report.twice == 0
    assert sum(report.kills.values()) == KILLS
    assert report.states["COMPLETE"] > 0
    assert report.entries > report.tasks
