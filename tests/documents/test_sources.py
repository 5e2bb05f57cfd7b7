"""What may be passed as input, and what becomes of what may not."""

import collections
import io
import itertools
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docfleet.documents.sources import Source, iter_sources, printable
from docfleet.errors import UsageError
from docfleet.fleet.wire import check_plain

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


def test_urls_are_not_looked_up_as_files():
    (alone,) = iter_sources("https://example.org/a.png?x=[1]*")
    (listed,) = iter_sources(["HTTP://example.org/a.png"])

    assert (alone.input_path, alone.url, alone.listed) == ("https://example.org/a.png?x=[1]*", True, False)
    assert (listed.input_path, listed.url, listed.listed) == ("HTTP://example.org/a.png", True, True)


def test_a_url_out_of_an_iterator_is_listed_however_deep():
    (source,) = iter_sources(iter([(["http://example.org/a.png"],)]))

    assert source.listed


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("s3://bucket/a.pdf", r"s3://bucket/a\.pdf: s3:// is not fetched, only http:// and https:// are"),
        ("file:///a.pdf", r"file:///a\.pdf: pass the path without file://"),
        ("File://a.pdf", "pass the path without file://"),
    ],
)
def test_other_schemes_say_so(url, text):
    with pytest.raises(UsageError, match=f"input: .*{text}"):
        iter_sources(url)

    (source,) = iter_sources([url])
    assert source.error is not None
    assert re.search(text, source.error)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_a_document_and_not_a_sequence(kind):
    (source,) = iter_sources(kind(b"%PDF-1.7"))

    assert source.data == b"%PDF-1.7"
    assert source.input_path is None
    assert source.name == "the bytes"


def test_bytes_that_change_later_are_copied_when_their_turn_comes():
    given = bytearray(b"%PDF-1.7")
    sources = iter_sources([given, memoryview(given)[::2]])
    given[5:] = b"2.0"

    whole, half = sources
    given[:] = bytes(8)

    assert whole.data == b"%PDF-2.0"
    assert half.data == b"%D-."


def test_images_become_pages():
    (source,) = iter_sources(Image.new("RGB", (3, 2), (1, 2, 3)))

    assert source.array is not None
    assert source.array.shape == (2, 3, 3)
    assert (source.array == (3, 2, 1)).all()


def test_a_damaged_image_costs_its_place():
    file = io.BytesIO()
    Image.new("RGB", (300, 200)).save(file, "PNG")
    damaged = Image.open(io.BytesIO(file.getvalue()[:200]))

    bad, good = iter_sources([damaged, Image.new("1", (3, 2))])

    assert bad.error is not None
    assert bad.error.startswith("the image: the image (mode RGB) is truncated or corrupt: ")
    assert good.error is None


@pytest.mark.parametrize("mode", ["rb", "r"])
def test_open_files_are_not_taken_for_lists_of_lines(mode, tmp_path):
    touch(tmp_path / "a.png")
    with (tmp_path / "a.png").open(mode) as file, pytest.raises(UsageError, match="an open file is not something to"):
        iter_sources(file)
    with pytest.raises(UsageError, match=r"its content: file\.read\(\)"):
        iter_sources(io.BytesIO(b"x"))


def test_sources_pass_as_they_are():
    given = Source("stdin", data=b"x")

    assert next(iter_sources([given, "a.png"])) is given


def test_the_password_of_a_url_is_not_shown():
    source = Source("https://me:s3cret@example.org/a.png?next=http://you:x@b/", url=True)

    assert source.name == "https://me:***@example.org/a.png?next=http://you:***@b/"
    assert Source("a:b@c.png").name == "a:b@c.png"


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
    "source",
    [
        Source("a/ü.png"),
        Source(array=PAGE),
        Source(error="no"),
        Source("a.png", error="no"),
        Source(data=b"%PDF"),
        Source("stdin", data=b"%PDF"),
        Source("http://a/b", url=True),
        Source("http://a/b", url=True, listed=True),
    ],
)
def test_payload_round_trip(source):
    payload = source.to_payload()
    check_plain(payload)
    back = Source.from_payload(payload)

    for name in ("input_path", "error", "url", "listed"):
        assert getattr(back, name) == getattr(source, name)
    assert back.array is source.array
    assert (None if back.data is None else bytes(back.data)) == source.data
    assert back.name == source.name


def test_a_document_in_memory_travels_as_an_array_that_shares_it():
    data = bytes(100)

    assert np.shares_memory(Source(data=data).to_payload()["data"], np.frombuffer(data, np.uint8))


def test_printable_keeps_what_people_read():
    assert printable("文件 ü🧾.png") == "文件 ü🧾.png"
    assert printable("a\nb\x1b[0m\udc80") == "a\\nb\\x1b[0m\\udc80"
