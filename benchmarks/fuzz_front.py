"""Fuzz with coverage what is written in Python between a document's bytes and the decoders in C.

    pip install atheris
    python benchmarks/fuzz_front.py FOLDER -max_total_time=600

`FOLDER` keeps what has reached new code; it is filled with the seeds of tests/documents/seeds.py first. Atheris follows
which lines run, so it finds its way through headers, chunks and directories: our own modules and Pillow's plugins. What
may come of a document is pages, InputError or MemoryError.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))

with atheris.instrument_imports(include=["docfleet.documents", "PIL"]):
    import PIL.GifImagePlugin
    import PIL.Jpeg2KImagePlugin
    import PIL.PngImagePlugin
    import PIL.TiffImagePlugin
    import PIL.WebPImagePlugin  # noqa: F401

    from docfleet.documents import formats, pdf, tiff_frames  # noqa: F401
    from docfleet.documents.pages import Limits, PageCount
    from docfleet.documents.reader import Reader
    from docfleet.documents.sources import Source

from benchmarks.fuzz import limit_memory
from tests.documents.seeds import SEEDS

from docfleet.errors import InputError

READER = Reader(Limits(max_page_pixels=100_000, max_document_pages=10), isolated=False)


def read(data: bytes) -> None:
    """One document; raises for a finding."""
    source = Source("a", data=data)
    limit_memory(data)
    try:
        found = READER.read(source)
        for index in range(found.count if isinstance(found, PageCount) else 0):
            try:
                READER.read(source, index)
            except (InputError, MemoryError):
                continue
    except InputError as error:
        assert str(error).startswith("a: "), error
        assert "\n" not in str(error), error
    except MemoryError:
        pass  # The limit at work; a light image that takes too much is ended by libFuzzer's own.


def main() -> None:
    """Command line: a folder, and the options of libFuzzer."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)
    atheris.Setup([sys.argv[0], str(folder), "-max_len=4096", "-timeout=60", "-rss_limit_mb=2000", *sys.argv[2:]], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
