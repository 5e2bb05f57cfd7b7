"""The example pages are what their script says they are."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

from docfleet.documents.pages import Page, PageCount
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source, iter_sources

PAGES = Path(__file__).parents[2] / "examples" / "pages"


def lines_of(name: str) -> list[str]:
    return (PAGES / "expected" / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def reader():
    with Reader() as reader:
        yield reader


def test_every_page_is_read_and_has_its_text(reader):
    names = set()
    for source in iter_sources(PAGES):
        assert source.input_path is not None
        names.add(Path(source.input_path).stem)
        assert isinstance(reader.read(source), Page | PageCount)

    assert names == {"en", "zh", "rotated", "warped", "two_pages"}
    assert names == {path.stem for path in (PAGES / "expected").iterdir()}
    assert all(len(lines_of(name)) > 10 for name in names)
    assert lines_of("en") == lines_of("rotated") == lines_of("warped")


def test_rotated_is_the_english_page_turned_clockwise(reader):
    upright, turned = (reader.read(Source(str(PAGES / name))).image for name in ("en.png", "rotated.png"))

    assert (turned == np.rot90(upright, -1)).all()


def test_the_pdf_says_what_is_expected(reader):
    assert reader.read(Source(str(PAGES / "two_pages.pdf"))).count == 2
    lines = []
    with closing(pypdfium2.PdfDocument(PAGES / "two_pages.pdf")) as pdf:
        for index in range(2):
            page = pdf[index]
            text = page.get_textpage()
            lines += text.get_text_bounded().splitlines()
            text.close()
            page.close()

    assert lines == lines_of("two_pages")
