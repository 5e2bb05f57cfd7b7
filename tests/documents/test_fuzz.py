"""Whatever is done to a document, what comes out is pages or InputError; `benchmarks/fuzz.py` does it for longer."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docfleet.documents.pages import Limits, Page, PageCount
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
from docfleet.errors import InputError
from tests.documents.seeds import SEEDS

LIMITS = Limits(max_page_pixels=1_000_000, max_document_pages=50)


@st.composite
def mutated(draw, data: bytes) -> bytes:
    """`data` after a few changes of the kinds that files suffer, or that somebody makes."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(out) - 1)))
        size = draw(st.integers(1, 8))
        change = draw(st.sampled_from(["flip", "overwrite", "extreme", "delete", "double", "insert", "cut"]))
        if change == "flip" and out:
            out[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "overwrite":
            out[at : at + size] = draw(st.binary(min_size=size, max_size=size))
        elif change == "extreme":
            out[at : at + size] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x80"])) * size
        elif change == "delete":
            del out[at : at + size]
        elif change == "double":
            out[at:at] = out[at : at + 8 * size]
        elif change == "insert":
            out[at:at] = draw(st.binary(max_size=size))
        elif change == "cut":
            del out[at:]
    return bytes(out)


def read_all(reader: Reader, source: Source) -> list[Page]:
    found = reader.read(source)
    if isinstance(found, Page):
        return [found]
    assert isinstance(found, PageCount)
    pages = []
    for index in range(found.count):
        try:
            pages.append(reader.read(source, index))
        except InputError:
            continue
    return pages


@pytest.fixture(scope="module")
def careful():
    with Reader(LIMITS) as reader:
        reader.read(Source(data=SEEDS["gif"]))
        yield reader


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_are_documents(name, careful):
    if name == "pdf-locked":
        with pytest.raises(InputError, match="encrypted"):
            careful.read(Source(data=SEEDS[name]))
        return
    assert len(read_all(careful, Source(data=SEEDS[name]))) >= 1


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutations(name, careful, data):
    source = Source("a", data=data.draw(mutated(SEEDS[name])))
    try:
        pages = read_all(careful, source)
    except InputError as error:
        message = str(error)
        assert message.startswith("a: ")
        assert "\n" not in message
        return
    for page in pages:
        height, width, channels = page.image.shape
        assert channels == 3
        assert 0 < height * width <= LIMITS.max_page_pixels
        assert page.image.dtype == np.uint8
        assert page.image.flags.c_contiguous
