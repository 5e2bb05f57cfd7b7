"""What may be passed as input, and what becomes of what may not."""

import collections
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docfleet.documents.sources import Source, iter_sources, printable
from docfleet.errors import UsageError

PAGE = np.zeros((4, 5, 3), np.uint8)


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def paths_of(input_) -> list[str | None]:
    sources = list(iter_sources(input_))
    assert [source.error for source in sources] == [None] * len(sources)
    return [source.input_path for source in sources]


def test_a_file_is_reported_as_given(tmp_path, monkeypatch):
    touch(tmp_path / "a.xyz")
    monkeypatch.chdir(tmp_path)

    assert paths_of("./a.xyz") == ["./a.xyz"]
    assert paths_of(Path("a.xyz")) == ["a.xyz"]


def test_folders_and_patterns(tmp_path):
    for name in ("s/b.png", "s/a.pdf", "s/notes.txt"):
        touch(tmp_path / name)

    assert paths_of(tmp_path / "s") == [str(tmp_path / "s" / name) for name in ("a.pdf", "b.png")]
    assert paths_of(f"{tmp_path}/s/*.txt") == [f"{tmp_path}/s/notes.txt"]
    assert paths_of(f"{tmp_path}/*/b.???") == [f"{tmp_path}/s/b.png"]


def test_an_existing_file_with_magic_characters_is_no_pattern(tmp_path):
    touch(tmp_path / "a[1].png")
    touch(tmp_path / "a1.png")

    assert paths_of(str(tmp_path / "a[1].png")) == [str(tmp_path / "a[1].png")]


def test_a_broken_link_with_magic_characters_is_no_pattern(tmp_path):
    (tmp_path / "b[1].png").symlink_to(tmp_path / "nowhere")

    assert paths_of(str(tmp_path / "b[1].png")) == [str(tmp_path / "b[1].png")]


def test_arrays_are_passed_on_as_they_are():
    (source,) = iter_sources(PAGE)

    assert source.array is PAGE
    assert source.input_path is None


def test_nesting_keeps_the_order(tmp_path):
    touch(tmp_path / "s" / "c.png")
    given = ["a.png", [tmp_path / "s", (PAGE, iter(["b.png"]))], collections.deque(["d.png"])]

    assert paths_of(given) == ["a.png", str(tmp_path / "s" / "c.png"), None, "b.png", "d.png"]


def test_generators_are_asked_only_as_far_as_needed():
    asked = []

    def endless():
        for number in itertools.count():
            asked.append(number)
            yield f"{number}.png"

    sources = iter_sources(endless())
    assert asked == []

    taken = [source.input_path for source in itertools.islice(sources, 3)]

    assert taken == ["0.png", "1.png", "2.png"]
    assert asked == [0, 1, 2]


def test_an_error_of_the_callers_generator_passes_through():
    def broken():
        yield "a.png"
        raise KeyError("mine")

    sources = iter_sources(broken())
    assert next(sources).input_path == "a.png"

    with pytest.raises(KeyError, match="mine"):
        next(sources)


@pytest.mark.parametrize("input_", [None, 42, 1.5, {"image": "a.png"}, {"a.png"}, object()])
def test_what_cannot_be_read_is_refused_at_once(input_):
    with pytest.raises(UsageError, match=f"input: {type(input_).__name__} is not something to read: pass a path"):
        iter_sources(input_)


@pytest.mark.parametrize(
    ("input_", "kind"),
    [
        (b"\x89PNG", "bytes"),
        (bytearray(b"x"), "bytes"),
        (Image.new("RGB", (2, 2)), "PIL image"),
        ("https://example.org/a.png", "URL"),
        ("s3://bucket/a.pdf", "URL"),
    ],
)
def test_what_is_not_supported_yet_says_so(input_, kind):
    with pytest.raises(UsageError, match=f"input: {kind} input is not supported yet: "):
        iter_sources(input_)

    (source,) = iter_sources([input_])
    assert source.error is not None
    assert source.error.startswith(f"{kind} input is not supported yet: ")


def test_an_unsupported_element_costs_only_itself():
    first, bad, worse, last = iter_sources(["a.png", None, {"k": 1}, "b.png"])

    assert (first.input_path, last.input_path) == ("a.png", "b.png")
    assert first.error is last.error is None
    assert bad.error is not None
    assert bad.error.startswith("NoneType is not something to read")
    assert worse.error is not None
    assert worse.error.startswith("dict is not something to read")


def test_nothing_found_is_a_source_that_says_so(tmp_path):
    (tmp_path / "bare").mkdir()

    empty, unmatched, missing = iter_sources([tmp_path / "bare", f"{tmp_path}/*.png", tmp_path / "nowhere"])

    assert empty.error == f"{tmp_path}/bare: the folder contains no image or PDF"
    assert empty.input_path == f"{tmp_path}/bare"
    assert unmatched.error == f"{tmp_path}/*.png: nothing matches the pattern"
    assert missing.error is None  # Only reading finds out, since a file may appear until then.
    assert missing.input_path == f"{tmp_path}/nowhere"


def test_no_file_is_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")  # Opening it would wait for a writer for ever.

    assert paths_of([tmp_path, tmp_path / "pipe.png"]) == [str(tmp_path / "pipe.png")] * 2


def test_names_that_are_no_text_survive_the_journey(tmp_path):
    raw = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    try:
        Path(os.fsdecode(raw)).touch()
    except OSError:
        pytest.skip("this file system takes valid text only")
    (source,) = iter_sources(tmp_path)
    assert source.input_path == os.fsdecode(raw)

    payload = source.to_payload()

    assert payload == {"path": raw}
    assert Source.from_payload(payload).input_path == source.input_path
    assert source.name.encode("utf-8").endswith(b"/\\udcff\\udcfe.png")


def test_error_about_a_name_that_is_no_text_can_be_encoded(tmp_path):
    (source,) = iter_sources(str(tmp_path / "\udcff*.png"))

    assert source.error is not None
    assert source.error.encode("utf-8").endswith(b"\\udcff*.png: nothing matches the pattern")


@pytest.mark.parametrize(
    "source", [Source("a/ü.png"), Source(array=PAGE), Source(error="no"), Source("a.png", error="no")]
)
def test_payload_round_trip(source):
    payload = source.to_payload()
    back = Source.from_payload(payload)

    assert (back.input_path, back.error) == (source.input_path, source.error)
    assert back.array is source.array
    assert all(isinstance(value, str | np.ndarray) for value in payload.values())


def test_printable_keeps_what_people_read():
    assert printable("文件 ü🧾.png") == "文件 ü🧾.png"
    assert printable("a\nb\x1b[0m\udc80") == "a\\nb\\x1b[0m\\udc80"
