"""Fixtures for pipelines: programs that use them, whose workers are gone when the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines.programs import Programs, wait_for_no_workers


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Runs programs in a folder of their own; none of their processes is left at the end."""
    started = Programs(tmp_path)
    yield started
    started.check_nothing_is_left()


@pytest.fixture
def no_worker_left() -> Iterator[None]:
    """Fails the test if a worker of this process is alive when it ends."""
    yield
    wait_for_no_workers()
