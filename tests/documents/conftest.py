"""A reader that lives for a module: its decoder process reads documents of every kind in turn, as it does in use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image

from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
from tests.documents.makers import encoded


@pytest.fixture(scope="module")
def living_reader() -> Iterator[Reader]:
    with Reader() as reader:
        # A process that is there before a test is not taken for one that the test has left.
        reader.read(Source(data=encoded(Image.new("L", (4, 3)), "GIF")))
        yield reader


@pytest.fixture
def reader(living_reader: Reader) -> Reader:
    living_reader.opened = 0
    return living_reader
