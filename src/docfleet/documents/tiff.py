"""TIFF through Pillow, a page per frame, as the reference reads it: converted to RGB, then BGR, orientation applied."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.images import check_pixels
from docfleet.documents.pages import Limits
from docfleet.errors import InputError


class TiffDocument:
    """An open TIFF file; see `Document` for what its methods promise.

    Raises InputError if it cannot be opened or has more frames than the limits allow.

    Above 178,956,970 pixels Pillow refuses a frame whatever our limit is: its own is global, and not ours to change.
    """

    def __init__(self, path: str, *, name: str, limits: Limits) -> None:
        # The class and not Image.open, which tries other formats too and applies Pillow's limit before ours is asked.
        from PIL.TiffImagePlugin import TiffImageFile

        self._name = name
        self._limits = limits
        with _decoding(name):
            self._tiff = TiffImageFile(path)
        try:
            self.count = self._frames()
        except BaseException:
            self.close()
            raise

    def _frames(self) -> int:
        """Count by stepping, because Pillow's own count does not stop at a limit."""
        count = 1
        with _decoding(self._name):
            while True:
                try:
                    self._tiff.seek(count)
                except EOFError:
                    return count
                count += 1
                if count > self._limits.max_document_pages:
                    raise InputError(
                        f"{self._name}: more than {self._limits.max_document_pages:,} frames, which is the limit; "
                        "raise max_document_pages if the file can be trusted"
                    )

    def page(self, index: int) -> NDArray[np.uint8]:
        with _decoding(self._name):
            self._tiff.seek(index)
            check_pixels(*self._tiff.size, name=self._name, limits=self._limits)
            rgb = np.asarray(self._tiff.convert("RGB"))
        return np.ascontiguousarray(rgb[:, :, ::-1])

    def pixels(self) -> tuple[int, ...] | None:
        return None

    def close(self) -> None:
        self._tiff.close()


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Turn what the decoder raises into InputError, and keep its warnings to itself.

    Bytes of strangers raise anything (struct.error, KeyError, SyntaxError, ...), hence the wide net; it hangs under
    calls of Pillow only. Warning filters belong to the process: two threads in here at once may leave Pillow's
    warnings ignored, and nothing else.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    except (InputError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name}: over Pillow's own limit for TIFF, which max_page_pixels does not raise: {error}"
        ) from error
    except Exception as error:
        raise InputError(f"{name}: the TIFF is truncated or corrupt: {' '.join(str(error).split())}") from error
