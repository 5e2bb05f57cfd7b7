"""PDF pages: sizes, the pixel budget, and what is said about those that cannot be drawn."""

import math
import re
from contextlib import closing

import numpy as np
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docfleet.documents.pages import Limits, PageCount
from docfleet.documents.pdf import MIN_SCALE, pixels_at, scale_to_fit
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
from docfleet.errors import InputError
from tests.documents.makers import CATALOG, encrypted_pdf, page_pdf, pdf, stream

SIDES = st.floats(0.5, 20_000)


def write_pdf(path, *sizes, rotate: int = 0):
    with closing(pypdfium2.PdfDocument.new()) as pdf:
        for width, height in sizes:
            page = pdf.new_page(width, height)
            page.set_rotation(rotate)
            page.close()
        pdf.save(path)
    return Source(str(path))


def test_a_page_is_drawn_at_144_dpi_with_sides_rounded_up(tmp_path, reader):
    page = reader.read(write_pdf(tmp_path / "a.pdf", (200.1, 100.5)))

    assert page.image.shape == (201, 401, 3)
    assert page.image.dtype == np.uint8
    assert page.image.flags.c_contiguous
    assert (page.page_index, page.page_count) == (0, 1)
    assert page.input_path == str(tmp_path / "a.pdf")
    assert (page.image == 255).all()


def test_another_resolution(tmp_path):
    with Reader(pdf_dpi=72) as reader:
        assert reader.read(write_pdf(tmp_path / "a.pdf", (200, 100))).image.shape == (100, 200, 3)


def test_the_page_as_it_is_turned(tmp_path, reader):
    assert reader.read(write_pdf(tmp_path / "a.pdf", (200, 100), rotate=90)).image.shape == (400, 200, 3)


def test_the_pixels_are_pdfiums_and_outlive_the_document(tmp_path):
    source = Source(str(tmp_path / "text.pdf"))
    content = "BT /F 20 Tf 10 30 Td (Mill) Tj ET 1 0 0 rg 0 0 20 20 re f"
    (tmp_path / "text.pdf").write_text(
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 101 67]/Contents 4 0 R/Resources<</Font<</F<</Type/Font"
        f"/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj 4 0 obj<</Length {len(content)}>>stream\n{content}\n"
        "endstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )
    with Reader() as reader:
        image = reader.read(source).image
    with closing(pypdfium2.PdfDocument(tmp_path / "text.pdf")) as pdf:
        page = pdf[0]
        expected = page.render(scale=2).to_numpy().copy()
        page.close()

    assert (image == expected).all()
    assert tuple(image[-1, 0]) == (0, 0, 255)  # Red, in BGR order, at the lower left.
    assert (image[:, 40:].min(axis=2) < 64).any()  # Text.


def test_several_pages_are_counted_and_measured_first(tmp_path, reader):
    source = write_pdf(tmp_path / "a.pdf", (100, 100), (50, 30), (72, 72))

    assert reader.read(source) == PageCount(3, (200 * 200, 100 * 60, 144 * 144))
    pages = [reader.read(source, index) for index in range(3)]

    assert [page.image.shape[:2] for page in pages] == [(200, 200), (60, 100), (144, 144)]
    assert [(page.page_index, page.page_count) for page in pages] == [(0, 3), (1, 3), (2, 3)]


def test_a_page_over_the_limit_is_drawn_smaller(tmp_path):
    source = write_pdf(tmp_path / "a.pdf", (100, 100), (1000, 500))
    with Reader(Limits(max_page_pixels=40_000)) as reader:
        assert reader.read(source).pixels == (40_000, 40_000)
        assert reader.read(source, 0).image.shape == (200, 200, 3)
        height, width, _ = reader.read(source, 1).image.shape

    assert 39_000 < height * width <= 40_000
    assert width == pytest.approx(2 * height, abs=2)


def test_a_page_that_would_have_to_be_tiny_is_refused(tmp_path):
    source = write_pdf(tmp_path / "a.pdf", (1000, 500))
    with (
        Reader(Limits(max_page_pixels=4999)) as reader,
        pytest.raises(
            InputError,
            match=r"a\.pdf: page 1 of 1 measures 1000 x 500 .* 7\.2 dpi .* 4,999 pixels; raise max_page_pixels if",
        ),
    ):
        reader.read(source)


def test_a_page_beyond_pdfium_is_refused_without_advice_that_would_not_help(tmp_path):
    source = write_pdf(tmp_path / "a.pdf", (1e6, 1e6))
    with (
        Reader(Limits(max_page_pixels=10**12)) as reader,
        pytest.raises(InputError, match=r"7\.2 dpi that is over what PDFium can draw, 715,827,882 pixels$"),
    ):
        reader.read(source)


@given(SIDES, SIDES, st.floats(MIN_SCALE, 10), st.integers(1, 10**9))
def test_scale_fits_and_is_the_largest(width, height, wanted, budget):
    scale = scale_to_fit(width, height, wanted, budget)

    if scale is None:
        assert pixels_at(width, height, MIN_SCALE) > budget
    else:
        assert MIN_SCALE <= scale <= wanted
        assert pixels_at(width, height, scale) <= budget
        larger = scale * (1 + 1e-6) + 1e-6
        ideal = math.sqrt(budget / (width * height))
        assert scale == wanted or larger >= ideal or pixels_at(width, height, larger) > budget


@pytest.mark.parametrize(
    ("size", "scale"),
    [
        ((14400.0, 14400.0), 0.9289583333297315),
        ((9000.0, 20000.5), 0.9970250741711824),
        ((5000.25, 12345.5), 1.7025636870276204),
        ((595.0, 842.0), 2.0),
    ],
)
def test_scales_are_the_references(size, scale):
    # Printed by PaddleX 3.7.2 for these sizes at its default scale and budget.
    assert scale_to_fit(*size, 2.0, 178_956_970) == pytest.approx(scale, rel=1e-15)


def test_fields_of_forms_are_drawn(tmp_path, reader):
    content = "1 0 0 rg 0 0 40 40 re f"
    (tmp_path / "form.pdf").write_text(
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]>>>>endobj "
        "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]/Annots[4 0 R]>>endobj "
        "4 0 obj<</Type/Annot/Subtype/Widget/FT/Tx/T(a)/F 4/P 3 0 R/Rect[10 10 50 50]/AP<</N 5 0 R>>>>endobj "
        f"5 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 40 40]/Length {len(content)}>>stream\n{content}\n"
        "endstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )

    image = reader.read(Source(str(tmp_path / "form.pdf"))).image

    assert image[140, 60, 0] < 200  # Red or PDFium's highlight over it, but not white.


def test_a_password_that_is_missing_wrong_or_right():
    document = Source("a.pdf", data=encrypted_pdf("geheim ü"))
    for password, text in (
        (None, "a.pdf: the PDF is encrypted; give its password as pdf_password"),
        ("", "a.pdf: the PDF is encrypted; give its password as pdf_password"),
        ("GEHEIM", "a.pdf: the PDF is encrypted, and pdf_password does not open it"),
    ):
        with Reader(pdf_password=password) as reader, pytest.raises(InputError) as caught:
            reader.read(document)
        assert str(caught.value) == text

    with Reader(pdf_password="geheim ü") as reader:
        assert reader.read(document).image.shape == (40, 60, 3)


def test_a_password_for_a_pdf_that_wants_none(tmp_path):
    with Reader(pdf_password="secret") as reader:
        assert reader.read(write_pdf(tmp_path / "a.pdf", (20, 10))).image.shape == (20, 40, 3)


def test_a_document_without_a_user_password_opens_without_one():
    with Reader() as reader:
        assert reader.read(Source(data=encrypted_pdf(""))).image.shape == (40, 60, 3)


def test_an_encryption_that_nobody_knows(reader):
    data = encrypted_pdf("x").replace(b"/Filter/Standard", b"/Filter/Unknown_")

    with pytest.raises(InputError, match="the bytes: the PDF is encrypted in a way that PDFium does not know; save it"):
        reader.read(Source(data=data))


RED_CORNER = b"1 0 0 rg 0 0 20 20 re f"
"""At the lower left of a page."""


@pytest.mark.parametrize(
    ("rotate", "corner"), [(0, (-1, 0)), (90, (0, 0)), (180, (0, -1)), (270, (-1, -1)), (-90, (-1, -1)), (450, (0, 0))]
)
def test_a_page_stands_as_it_says(rotate, corner, reader):
    image = reader.read(Source(data=page_pdf(RED_CORNER, page=b"/Rotate %d" % rotate))).image

    assert image.shape == ((400, 200, 3) if rotate % 180 else (200, 400, 3))
    assert image[corner].tolist() == [0, 0, 255]
    assert (image == (0, 0, 255)).all(axis=2).mean() == pytest.approx(0.02, abs=0.001)


def test_only_the_crop_box_is_shown(reader):
    image = reader.read(Source(data=page_pdf(RED_CORNER, page=b"/CropBox[10 10 110 60]"))).image

    assert image.shape == (100, 200, 3)
    assert image[-1, 0].tolist() == [0, 0, 255]
    assert (image == (0, 0, 255)).all(axis=2).mean() == pytest.approx(0.02, abs=0.001)


def test_annotations_are_drawn(reader):
    stamp = stream(b"0 0 1 rg 0 0 40 40 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 40 40]")
    note = b"<</Type/Annot/Subtype/Stamp/Rect[10 10 50 50]/F 4/AP<</N 6 0 R>>>>"
    image = reader.read(Source(data=page_pdf(b"", page=b"/Annots[5 0 R]", more=[note, stamp]))).image

    assert image[140, 60].tolist() == [255, 0, 0]


def test_a_broken_form_does_not_refuse_its_document(reader):
    for form in (b"/AcroForm 99 0 R", b"/AcroForm<</Fields 3>>", b"/AcroForm<</Fields[1 0 R]/XFA(x)>>"):
        data = pdf(
            b"<</Type/Catalog/Pages 2 0 R%s>>" % form,
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 20 10]>>",
        )
        assert reader.read(Source(data=data)).image.shape == (20, 40, 3)


def test_page_trees_that_lead_nowhere(reader):
    loops = pdf(CATALOG, b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>")
    lies = pdf(CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 3>>", b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 20 10]>>")

    assert reader.read(Source(data=loops)).count == 2
    for index in (0, 1):
        with pytest.raises(InputError, match=f"page {index + 1} of 2 is corrupt"):
            reader.read(Source(data=loops), index)
    source = Source(data=lies)
    assert reader.read(source).count == 3
    assert reader.read(source, 0).image.shape == (20, 40, 3)
    for index in (1, 2):
        with pytest.raises(InputError, match=f"page {index + 1} of 3 is corrupt"):
            reader.read(source, index)


def test_a_million_pages_that_are_not_there(reader):
    data = pdf(CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1000000>>", b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>")

    with pytest.raises(InputError, match="1,000,000 pages, over the limit of 100,000; raise max_document_pages"):
        reader.read(Source(data=data))


@pytest.mark.parametrize("box", [b"0 0 0 0", b"0 0 1e30 1e30", b"0 0 99999999 99999999", b"a b c d", b"9 9 9 9"])
def test_pages_of_no_sensible_size(box, reader):
    source = Source(data=page_pdf(RED_CORNER, box=box))
    try:
        image = reader.read(source).image
    except InputError as error:
        assert re.search(r"page 1 of 1 (has no area|measures|is corrupt)", str(error))
    else:
        assert image.shape[:2] == (1584, 1224)  # PDFium takes US Letter where a box makes no sense.


@pytest.mark.parametrize("rest", [b"", b"1.4\nnot much of a document", b"1.4\n%%EOF"])
def test_corrupt(rest, tmp_path, reader):
    (tmp_path / "a.pdf").write_bytes(b"%PDF-" + rest)

    with pytest.raises(InputError, match=r"a\.pdf: the PDF is truncated or corrupt, or has no pages"):
        reader.read(Source(str(tmp_path / "a.pdf")))


def test_a_corrupt_page_costs_its_place_only(tmp_path, reader):
    (tmp_path / "a.pdf").write_text(
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj "
        "2 0 obj<</Type/Pages/Kids[9 0 R 3 0 R]/Count 2>>endobj 3 0 obj<</Type/Page/Parent 2 0 R"
        "/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )
    source = Source(str(tmp_path / "a.pdf"))

    assert reader.read(source) == PageCount(2, None)
    with pytest.raises(InputError, match=r"a\.pdf: page 1 of 2 is corrupt"):
        reader.read(source, 0)
    assert reader.read(source, 1).image.shape == (18, 18, 3)


def test_too_many_pages(tmp_path):
    source = write_pdf(tmp_path / "a.pdf", *[(9, 9)] * 4)
    with (
        Reader(Limits(max_document_pages=3)) as reader,
        pytest.raises(InputError, match=r"a\.pdf: 4 pages, over the limit of 3; raise max_document_pages"),
    ):
        reader.read(source)


def test_no_such_page(tmp_path, reader):
    source = write_pdf(tmp_path / "a.pdf", (9, 9), (9, 9))

    for index in (2, -1):
        with pytest.raises(InputError, match=rf"a\.pdf: there is no page {index}"):
            reader.read(source, index)


def test_one_opening_for_pages_in_a_row(tmp_path, reader):
    first = write_pdf(tmp_path / "a.pdf", *[(9, 9)] * 5)
    second = write_pdf(tmp_path / "b.pdf", (9, 9), (9, 9))

    for index in (None, 0, 1, 2, 4, 3):
        reader.read(first, index)
    assert reader.opened == 1
    reader.read(second)
    assert reader.opened == 2
    reader.read(first, 0)
    assert reader.opened == 3


def test_a_file_replaced_under_its_name_is_opened_anew(tmp_path, reader):
    source = write_pdf(tmp_path / "a.pdf", (9, 9), (9, 9))
    assert reader.read(source).count == 2

    write_pdf(tmp_path / "new.pdf", (9, 9), (9, 9), (9, 9))
    (tmp_path / "new.pdf").replace(tmp_path / "a.pdf")

    assert reader.read(source).count == 3


def test_closing(tmp_path):
    reader = Reader()
    source = write_pdf(tmp_path / "a.pdf", (9, 9), (9, 9))
    reader.read(source)
    reader.close()
    reader.close()

    assert reader.read(source, 1).image.shape == (18, 18, 3)
    assert reader.opened == 2
    reader.close()


def test_a_name_that_is_no_text(tmp_path, reader):
    path = str(tmp_path / "\udcff.pdf")
    write_pdf(tmp_path / "a.pdf", (9, 9))
    try:
        (tmp_path / "a.pdf").rename(path)
    except OSError:
        pytest.skip("this file system takes valid text only")

    assert reader.read(Source(path)).image.shape == (18, 18, 3)


def test_a_name_that_looks_like_a_home_folder(tmp_path, monkeypatch, reader):
    monkeypatch.chdir(tmp_path)
    write_pdf("~nobody.pdf", (9, 9))

    assert reader.read(Source("~nobody.pdf")).image.shape == (18, 18, 3)
