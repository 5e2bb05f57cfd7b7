from __future__ import annotations

from pathlib import Path

import pytest

from tests.batch.jobs import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty input folder to fill, and what runs jobs on it."""
    (tmp_path / "in").mkdir()
    return Bench(tmp_path)
