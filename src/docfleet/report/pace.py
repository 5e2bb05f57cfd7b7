"""How fast a job is, and how long the rest will take.

      (time, pages finished) --update--> recent speed          over the last half minute, longer where pages are slow
                                         time the rest takes   over the last five minutes

The time before the first page (weights, engines) counts for neither: it says nothing about the next page. Pages differ
by orders of magnitude, so the estimate looks further back than the speed does; it is None rather than a guess.
"""

from __future__ import annotations

from collections import deque

_RECENT_S = 30.0
_LONG_S = 300.0
_SPACING_S = 1.0
"""Between two samples that are kept, so that a window of five minutes holds some hundreds of them."""
_RECENT_PAGES = 10
"""The recent window reaches back until it holds so many pages, or to its end."""
_ENOUGH_PAGES = 10
_ENOUGH_S = 10.0
"""What has to be seen before the end of a job is foretold."""


class Pace:
    """Fed with counts of one job, or of one slot. Reads no clock."""

    def __init__(self) -> None:
        # (time, pages finished by then); the first is the moment when the first pages were finished.
        self._samples: deque[tuple[float, int]] = deque()
        self._latest: tuple[float, int] | None = None
        self._at_start: int | None = None

    def update(self, now: float, finished: int, remaining: int | None = None) -> tuple[float, float | None]:
        """Take in a count; returns recent pages per second, and the seconds that `remaining` pages will take.

        `now`: seconds of any clock that never goes back. `finished`: pages finished in this run, done or failed.
        `remaining`: pages still to do, None while it is not known; then the second value is None.
        """
        if self._at_start is None:
            self._at_start = finished
        self._latest = (now, finished)
        if not self._samples:
            if finished > self._at_start:
                self._samples.append(self._latest)
        elif now - self._samples[-1][0] >= _SPACING_S:
            self._samples.append(self._latest)
            while len(self._samples) > 2 and now - self._samples[1][0] >= _LONG_S:
                self._samples.popleft()
        return self._recent(), self._eta(remaining)

    def _recent(self) -> float:
        if self._latest is None:
            return 0.0
        now, finished = self._latest
        for since, before in reversed(self._samples):
            if now - since >= _RECENT_S and finished - before >= _RECENT_PAGES:
                return (finished - before) / (now - since)
        return self._over_all()

    def _over_all(self) -> float:
        if self._latest is None or not self._samples:
            return 0.0
        now, finished = self._latest
        since, before = self._samples[0]
        return (finished - before) / (now - since) if now > since else 0.0

    def _eta(self, remaining: int | None) -> float | None:
        if remaining is None or self._latest is None or not self._samples:
            return None
        if remaining == 0:
            return 0.0
        now, finished = self._latest
        since, before = self._samples[0]
        speed = self._over_all()
        if now - since < _ENOUGH_S or finished - before < _ENOUGH_PAGES or speed <= 0:
            return None
        return remaining / speed
