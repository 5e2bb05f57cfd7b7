"""What counts as time: not what passes while the driver is not there to listen.

      driver    tick   tick   tick      stopped: Ctrl-Z, a debugger, a busy interpreter       tick   tick
      counts    |------|------|                                                                |------|
                                                                           acts on nothing yet

A worker is late when it has not said something by a certain time. What it says to a driver that is stopped lies there
unheard, and it may have been stopped together with the driver, as Ctrl-Z in a terminal does to all of a process group.
So the driver is asked to come by every `BEAT` seconds while anything has a deadline. Where it stays away for more than
twice that, the pause does not count; and when it is back it first gets to hear what was said, before anybody is taken
for late. A driver that stays away again at once is not stopped but slow: that counts, or nothing would ever end.
"""

from __future__ import annotations

import math

BEAT = 1.0
"""Seconds. With less the driver would wake up often for nothing, with more a short pause would count."""


class Clock:
    """From the driver's time to the time that counts."""

    def __init__(self) -> None:
        self.now = -math.inf
        """The time that counts, as last read."""
        self._last = -math.inf
        """The driver's time then."""
        self._lost = 0.0
        self._paused = False
        """There was a pause since the last tick."""
        self._excused = False
        """Nothing was acted upon in the last tick, because of one."""

    def read(self, now: float) -> float:
        """The time that counts when it is `now` for the driver, which is awake."""
        away = now - self._last
        if 2 * BEAT < away < math.inf and not self._excused:
            self._lost += away
            self._paused = True
        self._last = now
        self.now = now - self._lost
        return self.now

    def fair(self) -> bool:
        """Whether lateness may be acted upon in this tick. To be asked once in each."""
        self._excused, self._paused = self._paused, False
        return not self._excused

    def deadline(self, time: float) -> float:
        """When the driver is to come by, for what happens at a time that counts."""
        return min(time + self._lost, self._last + BEAT) if self._last > -math.inf else time
