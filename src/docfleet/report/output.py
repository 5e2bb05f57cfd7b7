"""Standard error for displays: a stream that may go away, and that may not know every character."""

from __future__ import annotations

from typing import TextIO


class Output:
    """Writes to a stream until that fails, and nothing from then on.

    A terminal that is closed, a reader that has left, the full disk of a log: the job's results depend on none of them,
    and there would be nowhere to say so.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._gone = False

    @property
    def ascii_only(self) -> bool:
        """Whether the stream has no characters for lines, bars and dots."""
        return not self._encoding.lower().replace("_", "-").startswith("utf")

    def write(self, text: str) -> None:
        """Write and flush; characters that the stream's encoding has not are written as escapes."""
        if self._gone:
            return
        try:
            self._stream.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding))
            self._stream.flush()
        except (OSError, ValueError):
            self._gone = True
