"""What there is beside a document: asked of many names at once, and of a folder of very many."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docfleet.batch import siblings
from docfleet.batch.siblings import Siblings, name_key, split_suffix, stem_of_page
from docfleet.documents.folders import is_document_name
from tests.batch.trees import file_names, folded

NAMES = st.lists(file_names, unique=True, max_size=12)


@given(names=NAMES, many=st.sampled_from([0, 100]))
def test_every_question_is_answered_as_by_looking_at_all_names(names: list[str], many: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(siblings, "_MANY", many)
        beside = Siblings(names)
    documents = [name for name in names if is_document_name(name)]

    def stem(name: str) -> str:
        return split_suffix(name)[0]

    def count(among: list[str], key: str) -> int:
        return sum(name_key(stem(name)) == key for name in among)

    for name in names:
        key = name_key(stem(name))
        assert beside.shares_name(name) == (sum(name_key(other) == name_key(name) for other in names) > 1)
        assert beside.shares_stem(stem(name)) == (count(documents, key) > 1)
        assert beside.is_only(stem(name)) == (count(names, key) == 1)
        paged = [other for other in documents if other.lower().endswith((".pdf", ".tif", ".tiff"))]
        assert beside.has_whole(stem(name)) == any(count(paged, whole) for whole in [stem_of_page(key)] if whole)
        assert beside.has_numbered(stem(name)) == any(stem_of_page(name_key(stem(other))) == key for other in documents)


def test_names_that_are_not_there_are_not_found() -> None:
    beside = Siblings(["a.pdf", "b_3.jpg"])
    assert not beside.shares_name("x.jpg")
    assert not beside.shares_stem("x")
    assert beside.is_only("x")
    assert not beside.has_whole("x_1")
    assert not beside.has_numbered("a")


@given(name=file_names)
def test_stem_and_suffix_are_those_of_pathlib(name: str) -> None:
    stem, suffix = split_suffix(name)
    assert stem + suffix == name
    if not name.endswith("."):  # From Python 3.14 on pathlib sees a suffix in a dot at the end.
        assert (stem, suffix) == (PurePosixPath(name).stem, PurePosixPath(name).suffix)


@pytest.mark.parametrize(
    ("stem", "whole"),
    [("a_7", "a"), ("a_0", "a"), ("a_1_20", "a_1"), ("__1", "_"), ("two\nlines_3", "two\nlines"), ("a_07", None),
     ("_7", None), ("a7", None), ("a_", None), ("a_7b", None), ("a_٣", None), ("a_-1", None)],
)  # fmt: skip
def test_what_is_called_like_a_page(stem: str, whole: str | None) -> None:
    assert stem_of_page(stem) == whole


@given(name=st.text(st.characters(exclude_categories=["Cn", "Cs"])) | file_names)
def test_a_key_knows_neither_case_nor_composition(name: str) -> None:
    key = name_key(name)
    assert folded(key) == folded(name)
    for form in ("NFC", "NFD"):
        assert name_key(unicodedata.normalize(form, name)) == key
        assert unicodedata.normalize(form, key) == unicodedata.normalize(form, name_key(key))


@pytest.mark.parametrize(
    ("one", "other"),
    [("STRASSE", "straße"), ("\xe9", "E\u0301"), ("ᾼ", "\u0391\u0345"), ("a\ufe0f", "a"), ("a\xadb", "ab"),
     ("\u03b1\u0345\u0301", "\u0386\u0345")],
)  # fmt: skip
def test_names_that_some_file_system_takes_for_the_same(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)
