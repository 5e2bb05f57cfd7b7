"""Names and contents of the files a result writes."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from docfleet.results.base import BaseResult, write_atomically
from docfleet.results.plain import to_plain


def page(input_path: str | None, page_index: int | None = None) -> BaseResult:
    return BaseResult(input_path=input_path, page_index=page_index)


@pytest.mark.parametrize(
    ("input_path", "page_index", "name"),
    [
        ("in/photo.jpg", None, "photo_res.json"),
        ("in/thesis.pdf", 0, "thesis_0_res.json"),
        ("in/thesis.pdf", 12, "thesis_12_res.json"),
        ("a.tar.png", None, "a.tar_res.json"),
        ("no_suffix", None, "no_suffix_res.json"),
        ("文件名-ünï.jpg", None, "文件名-ünï_res.json"),
        ("https://host/in/photo.jpg", None, "photo_res.json"),
        ("HTTP://me@host:80/in/thesis.pdf?size=1/2.x#a/b", 3, "thesis_3_res.json"),
        ("https://host:8080", None, "host_8080_res.json"),
        ("https://host/?id=7", None, "host_res.json"),
        ("https://host/in/", None, "in_res.json"),
    ],
)
def test_file_names_are_the_references(tmp_path: Path, input_path: str, page_index: int | None, name: str) -> None:
    page(input_path, page_index).save_to_json(tmp_path / "new" / "folder")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == [name]


def test_a_path_named_json_is_the_file_itself(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "chosen.json"
    page("a.jpg").save_to_json(target)
    assert json.loads(target.read_text()) == {"input_path": "a.jpg", "page_index": None}


def test_a_folder_named_json_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out.json"
    folder.mkdir()
    page("a.jpg").save_to_json(folder)
    assert [path.name for path in folder.iterdir()] == ["a_res.json"]


def test_all_files_of_an_array_share_one_name() -> None:
    nameless = page(None)
    assert nameless.save_as == nameless.save_as
    seconds, number = nameless.save_as.split("_")
    assert seconds.isdigit()
    assert number.isdigit()


def test_another_name_can_be_chosen(tmp_path: Path) -> None:
    result = page("a.jpg", 3)
    result.save_as = "other"
    result.save_to_json(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other_res.json"]


@pytest.mark.parametrize("name", ["", "a/b", "/etc/passwd", "../a"])
def test_a_name_cannot_be_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="without folder"):
        page("a.jpg").save_as = name


def test_json_has_four_spaces_and_unescaped_text(tmp_path: Path) -> None:
    BaseResult(input_path="页.jpg", page_index=None).save_to_json(tmp_path)
    text = (tmp_path / "页_res.json").read_text(encoding="utf-8")
    assert text == '{\n    "input_path": "页.jpg",\n    "page_index": null\n}'


def test_a_name_with_undecodable_bytes_comes_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    page(name).save_to_json(tmp_path / "one.json")
    assert os.fsencode(json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))["input_path"]) == b"caf\xe9.jpg"


def test_a_written_file_has_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "made", b"x")
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match="taken"):
        write_atomically(target, b"x")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "value",
    [
        np.float32(0.5),
        np.float64(0.5),
        np.int16(3),
        np.uint8(3),
        np.bool_(True),
        np.arange(6, dtype=np.int16).reshape(3, 2),
    ],
)
def test_every_numpy_value_has_a_plain_form(value: np.generic) -> None:
    plain = to_plain(value)
    assert json.loads(json.dumps(plain)) == value.tolist()


def test_numbers_that_are_not_numbers_become_null() -> None:
    assert to_plain([math.nan, math.inf, np.float32("nan"), 1.0]) == [None, None, None, 1.0]


def test_what_json_cannot_express_is_named() -> None:
    with pytest.raises(TypeError, match="object"):
        to_plain({"key": object()})


def test_print_writes_json_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    page("a.jpg", 3).print()
    assert json.loads(capsys.readouterr().out) == {"res": {"input_path": "a.jpg", "page_index": 3}}
