"""The decoder process: what bombs, crashes and lies in it cost, and what is left of it."""

import gc
import mmap
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from docfleet.documents import anonymous, decoder, decoder_process
from docfleet.documents.checks import advice
from docfleet.documents.decoder_main import data_bytes
from docfleet.documents.decoder_process import DecoderProcess, DiedError, NonsenseError
from docfleet.documents.decoder_wire import receive, send
from docfleet.documents.pages import Limits, PageCount
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
from docfleet.errors import InputError
from tests.documents.makers import (
    black_png,
    content_bomb_pdf,
    encoded,
    form_bomb_pdf,
    image_pdf,
    page_pdf,
    picture,
    plain_tiff,
    scan_bomb_jpeg,
    tiff,
)

pytestmark = [
    pytest.mark.kills,
    pytest.mark.skipif(not decoder.AVAILABLE, reason="there are no decoder processes on this platform"),
]
kernel_counts_memory = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a limit on memory")

GOOD = Source(data=page_pdf(b"1 0 0 rg 0 0 50 50 re f"))
GIF = Source(data=encoded(Image.new("L", (4, 3)), "GIF"))
SMALL = Limits(max_decode_bytes=150_000_000, max_decode_seconds=1)
"""A bomb is one at any size."""


def process_of(reader: Reader) -> DecoderProcess:
    assert reader._decoder is not None
    return reader._decoder.process()


def open_descriptors() -> int:
    gc.collect()  # What a test before left in a circle is closed whenever it likes.
    return len(list(Path("/dev/fd").iterdir()))


def kill(reader: Reader, number: signal.Signals = signal.SIGKILL) -> None:
    process = process_of(reader)._process
    process.send_signal(number)
    process.wait()


def error_of(reader: Reader, source: Source, index: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        reader.read(source, index)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{source.name}: ")


@pytest.fixture
def reader():
    with Reader(SMALL) as reader:
        yield reader


@kernel_counts_memory
@pytest.mark.parametrize(
    "data",
    [content_bomb_pdf(400), form_bomb_pdf()],
    ids=["content", "forms"],
)
def test_a_pdf_that_fills_memory(data, reader):
    message = error_of(reader, Source(data=data))

    # The form bomb may run out of time before it runs out of memory.
    assert message.startswith("page 1 of 1 ")
    assert message.endswith(
        (f"{SMALL.max_decode_bytes:,} bytes; {advice('max_decode_bytes')}", advice("max_decode_seconds"))
    )
    assert reader.read(GOOD).image.shape == (200, 400, 3)


def test_a_pdf_that_draws_for_ever(reader):
    assert error_of(reader, Source(data=image_pdf(3000, 3000, 1000))) == (
        "page 1 of 1 takes more CPU time to decode than the limit of 1 s; raise max_decode_seconds if the file can be "
        "trusted"
    )
    assert reader.read(GOOD).image.shape == (200, 400, 3)


def test_cpu_time_is_counted_for_each_page(reader):
    document = Source(data=image_pdf(2000, 2000, 2))
    process = process_of(reader)
    while process_of(reader) is process:
        reader.read(document)
        cpu = psutil.Process(process._process.pid).cpu_times()
        if cpu.user + cpu.system > 2 * SMALL.max_decode_seconds:
            return  # It has used more than the limit, for several pages.
    pytest.fail("the process was replaced")


@kernel_counts_memory
@pytest.mark.parametrize(
    "data",
    [
        black_png(12_000, 11_000, bits=8, colour=2),
        black_png(9_000, 9_000, bits=16, colour=6),
        encoded(Image.new("L", (13_000, 13_000)), "TIFF", compression="tiff_lzw"),
        encoded(Image.new("RGB", (9_000, 9_000)), "JPEG", progressive=True),
        encoded(Image.new("1", (13_000, 13_000)), "GIF"),
    ],
    ids=["png", "png-alpha-16", "tiff", "progressive", "gif"],
)
def test_an_image_that_fills_memory(data, reader):
    assert len(data) < 2_000_000

    message = error_of(reader, Source(data=data))

    assert "memory to decode than the limit of 150,000,000 bytes" in message
    assert message.endswith("raise max_decode_bytes if the file can be trusted")
    assert reader.read(GIF).image.shape == (3, 4, 3)


def test_a_jpeg_that_goes_over_its_picture_again_and_again():
    data = scan_bomb_jpeg(6000, 6000, 2000)
    assert len(data) < 30_000

    with Reader(Limits(max_decode_seconds=1)) as reader:
        assert error_of(reader, Source(data=data)) == (
            f"the picture takes more CPU time to decode than the limit of 1 s; {advice('max_decode_seconds')}"
        )


@kernel_counts_memory
def test_a_chunk_longer_than_its_file_does_not_get_the_room_that_it_wants(reader):
    data = encoded(Image.new("RGB", (9, 9)), "PNG")
    bomb = data[:33] + b"\xce\xdb\xa0\xc0fcTL" + data[33:]

    assert re.search("the PNG (is truncated or corrupt|cannot be decoded)", error_of(reader, Source(data=bomb)))
    assert reader.opened == 1
    assert reader.read(GIF).image.shape == (3, 4, 3)


def test_a_few_scans_do_not_need_the_process():
    with Reader() as reader:
        assert reader.read(Source(data=encoded(Image.new("RGB", (60, 60)), "JPEG", progressive=True))).image.shape
        assert reader.opened == 0


@kernel_counts_memory
def test_memory_counts_the_shared_page():
    # 100 million pixels: a page of 300 MB, of which the decoder itself needs little more than nothing.
    data = page_pdf(b"", box=b"0 0 5000 5000")
    with Reader(Limits(max_decode_bytes=400_000_000)) as reader:
        assert reader.read(Source(data=data)).image.shape == (10_000, 10_000, 3)
    with Reader(Limits(max_decode_bytes=290_000_000)) as reader:
        assert "memory" in error_of(reader, Source(data=data))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_between_pages_is_replaced(number):
    document = Source(data=tiff(plain_tiff(picture()), plain_tiff(255 - picture())))
    with Reader() as reader:
        assert reader.read(document) == PageCount(2)
        first = reader.read(document, 0).image
        kill(reader, number)

        second = reader.read(document, 1).image
        kill(reader, number)

        assert (second == 255 - first).all()
        assert reader.read(GIF).image.shape == (3, 4, 3)


def die_on(reader: Reader, number: signal.Signals, *, pages: int = 99) -> list[int]:
    """Make this process die of the next questions for a page, that many times; gives the processes that did."""
    dead: list[int] = []
    ask = DecoderProcess.ask

    def dying(self, question, descriptor=None):
        if "page" in question and len(dead) < pages:
            dead.append(self._process.pid)
            self._process.send_signal(number)
            self._process.wait()
        return ask(self, question, descriptor)

    DecoderProcess.ask = dying
    return dead


@pytest.fixture
def _healed():
    ask = DecoderProcess.ask
    yield
    DecoderProcess.ask = ask


@pytest.mark.usefixtures("_healed")
def test_a_page_is_blamed_only_in_a_fresh_process():
    with Reader() as reader:
        reader.read(GOOD)
        dead = die_on(reader, signal.SIGSEGV, pages=1)

        assert reader.read(GOOD).image.shape == (200, 400, 3)
        assert len(dead) == 1


@pytest.mark.usefixtures("_healed")
def test_a_page_that_crashes_the_decoder_is_tried_twice_and_named():
    with Reader() as reader:
        reader.read(GIF)
        dead = die_on(reader, signal.SIGSEGV)

        assert error_of(reader, GOOD) == (
            "page 1 of 1 brings the decoder down (SIGSEGV): it is corrupt, or takes more memory to decode than the "
            f"limit of 900,000,000 bytes; {advice('max_decode_bytes')}"
        )
        assert len(set(dead)) == 2


@pytest.mark.usefixtures("_healed")
def test_a_page_that_crashes_a_fresh_decoder_is_not_tried_again():
    with Reader() as reader:
        dead = die_on(reader, signal.SIGABRT)

        assert "(SIGABRT)" in error_of(reader, GOOD)
        assert len(dead) == 1


@pytest.mark.usefixtures("_healed")
def test_a_decoder_killed_from_outside_is_a_matter_of_memory():
    with Reader() as reader:
        die_on(reader, signal.SIGKILL)

        with pytest.raises(MemoryError, match="the bytes: page 1 of 1: the decoder was killed, as the kernel does"):
            reader.read(GOOD)


def answering(monkeypatch, answer) -> None:
    monkeypatch.setattr(DecoderProcess, "ask", lambda self, question, descriptor=None: answer(question))


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"count": 0},
        {"count": True},
        {"count": "many"},
        {"count": 100_001},
        {"count": 2, "pixels": [1]},
        {"count": 1, "pixels": ["x"]},
        {"count": 1, "pixels": [-1]},
    ],
)
def test_nonsense_about_a_document_is_not_believed(answer, monkeypatch):
    with Reader() as reader:
        answering(monkeypatch, lambda question: answer)

        assert error_of(reader, GOOD).startswith("the decoder was brought into disorder by it: ")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"done": True},
        {"canvas": [0, 5]},
        {"canvas": [5, -5]},
        {"canvas": [5]},
        {"canvas": "large"},
        {"canvas": [1e9, 1]},
        {"canvas": [100_000, 100_000]},
    ],
)
def test_nonsense_about_a_page_is_not_believed(answer, monkeypatch):
    opened = {"count": 1, "numbered": True, "pixels": None}
    with Reader() as reader:
        answering(monkeypatch, lambda question: opened if "open" in question else answer)

        assert error_of(reader, GOOD).startswith("page 1 of 1: the decoder was brought into disorder by it: ")


def test_a_decoder_that_never_stops_asking_for_memory(monkeypatch):
    opened = {"count": 1, "numbered": True, "pixels": None}
    with Reader() as reader:
        answering(monkeypatch, lambda question: opened if "open" in question else {"canvas": [5, 5]})

        assert "disorder" in error_of(reader, GOOD)


def test_messages_that_are_none():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for raw, error in (
            (b"\xff\xff\xff\xff", ValueError),
            (b"\0\0\0\2[]", ValueError),
            (b"\0\0\0\3{x}", ValueError),
            (b"\0\0\0\2\xff\xff", ValueError),
        ):
            theirs.sendall(raw)
            with pytest.raises(error):
                receive(ours)
        theirs.sendall(b"\0\0")
        theirs.close()
        with pytest.raises(EOFError):
            receive(ours)


def test_descriptors_travel_and_are_closed_when_the_message_is_none(tmp_path):
    (tmp_path / "a").write_bytes(b"hello")
    ours, theirs = socket.socketpair()
    with ours, theirs, (tmp_path / "a").open("rb") as file:
        send(theirs, {"open": "a"}, (file.fileno(),))
        message, (descriptor,) = receive(ours)
        assert message == {"open": "a"}
        assert os.read(descriptor, 9) == b"hello"
        os.close(descriptor)

        before = open_descriptors()
        socket.send_fds(theirs, [b"\0\0\0\3{x}"], [file.fileno()])
        with pytest.raises(ValueError):
            receive(ours)
        assert open_descriptors() == before


@pytest.mark.skipif(sys.platform != "linux", reason="memory is sealed on Linux only")
def test_shared_memory_cannot_be_shortened():
    descriptor = anonymous.make(4096)
    try:
        for change in (lambda: os.ftruncate(descriptor, 0), lambda: os.ftruncate(descriptor, 8192)):
            with pytest.raises(PermissionError):
                change()
    finally:
        os.close(descriptor)


def test_one_process_for_all_documents_and_none_when_closed():
    with Reader() as reader:
        reader.read(GIF)
        process = process_of(reader)
        for source in (GOOD, GIF, Source(data=tiff(plain_tiff(picture())))):
            reader.read(source)
        assert process_of(reader) is process
        assert process.alive

        reader.close()
        assert not process.alive
        reader.close()
        assert reader.read(GIF).image.shape == (3, 4, 3)  # And it opens again.


def test_a_reader_that_is_forgotten_leaves_no_process():
    reader = Reader()
    reader.read(GIF)
    process = process_of(reader)._process
    del reader

    assert process.poll() is not None


def test_no_process_is_started_for_plain_images_and_what_is_refused():
    with Reader(Limits(max_page_pixels=100)) as reader:
        reader.read(Source(data=encoded(Image.new("RGB", (9, 9)), "PNG")))
        for data in (b"", b"text", black_png(20_000, 20_000), b"\x89PNG\r\n\x1a\n"):
            with pytest.raises(InputError):
                reader.read(Source(data=data))
        assert reader._decoder is not None
        assert reader._decoder._process is None


def test_descriptors_do_not_pile_up(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(plain_tiff(picture()), plain_tiff(picture())))
    large = Source(data=encoded(Image.new("L", (4000, 3000)), "TIFF"))
    with Reader() as reader:
        for source in (Source(str(tmp_path / "a.tif")), GIF, GOOD, large):
            reader.read(source)
        before = open_descriptors()
        kept = []
        for _ in range(5):
            reader.read(Source(str(tmp_path / "a.tif")))
            kept += [reader.read(Source(str(tmp_path / "a.tif")), index).image for index in (0, 1)]
            for source in (GIF, GOOD):
                kept.append(reader.read(source).image)
            assert "corrupt" in error_of(reader, Source(data=b"%PDF-1.7"))
        assert open_descriptors() <= before + 1  # The TIFF that is open.


def test_an_interrupt_while_it_decodes_ends_it():
    endless = Source(data=image_pdf(6000, 6000, 1000))
    with Reader() as reader:
        reader.read(GIF)
        process = process_of(reader)
        timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            reader.read(endless)
        timer.join()

        assert not process.alive
        assert reader.read(GOOD).image.shape == (200, 400, 3)


def test_it_does_not_listen_to_ctrl_c_itself():
    with Reader() as reader:
        reader.read(GIF)
        process = process_of(reader)
        for number in (signal.SIGINT, signal.SIGTERM):
            process._process.send_signal(number)

        assert reader.read(GIF).image.shape == (3, 4, 3)
        assert process_of(reader) is process


PARENT = """
import sys
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
reader = Reader()
reader.read(Source(sys.argv[1]))
print(reader._decoder.process()._process.pid, flush=True)
reader.read(Source(sys.argv[2]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_parent_in_the_middle_of_a_page(number, tmp_path):
    (tmp_path / "a.gif").write_bytes(encoded(Image.new("L", (4, 3)), "GIF"))
    (tmp_path / "b.pdf").write_bytes(image_pdf(9000, 9000, 1000))
    command = [sys.executable, "-c", PARENT, str(tmp_path / "a.gif"), str(tmp_path / "b.pdf")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        decoder_id = int(parent.stdout.readline())
        found = psutil.Process(decoder_id)
        while found.cpu_times().user < 0.5:  # It is drawing.
            time.sleep(0.01)
        parent.send_signal(number)
        parent.wait()
        psutil.wait_procs([found], timeout=5)

    assert not psutil.pid_exists(decoder_id)


def test_a_program_that_ends_without_closing_leaves_nothing_and_says_nothing(tmp_path):
    (tmp_path / "a.gif").write_bytes(encoded(Image.new("L", (4, 3)), "GIF"))
    command = [sys.executable, "-W", "error", "-c", PARENT, str(tmp_path / "a.gif"), str(tmp_path / "a.gif")]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stderr == ""
    end = time.monotonic() + 5
    while psutil.pid_exists(int(done.stdout)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not psutil.pid_exists(int(done.stdout))


@pytest.fixture
def _no_python(tmp_path, monkeypatch):
    (tmp_path / "python").write_text("#!/bin/sh\necho where am I >&2\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))


@pytest.mark.usefixtures("_no_python")
def test_a_decoder_that_cannot_start_is_no_fault_of_the_document():
    with (
        Reader() as reader,
        pytest.raises(
            RuntimeError, match=r"no documents can be decoded: the decoder process ended with status 1: where am I$"
        ),
    ):
        reader.read(GOOD)


def test_what_it_printed_is_kept_for_the_log():
    process = DecoderProcess()
    process._process.kill()
    process._printed.write(b"last words\n")
    process._printed.flush()
    with pytest.raises(DiedError, match=r"the decoder process ended with status -9: last words$"):
        process.ask({"close": True})
    process.end()


@pytest.mark.usefixtures("_healed")
def test_a_page_that_ends_the_decoder_without_a_signal():
    # As the C library does when there is no memory for a thread.
    with Reader() as reader:
        reader.read(GIF)
        ask = DecoderProcess.ask

        def leaving(self, question, descriptor=None):
            if "page" in question:
                raise DiedError(127, "cannot allocate memory for thread-local data: ABORT")
            return ask(self, question, descriptor)

        DecoderProcess.ask = leaving
        assert error_of(reader, GOOD).startswith(
            "page 1 of 1 brings the decoder down (exit status 127): it is corrupt,"
        )


def test_libraries_are_found_where_this_process_finds_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    process = DecoderProcess()
    try:
        found = Path(f"/proc/{process._process.pid}/environ")
        if found.exists():
            assert str(tmp_path).encode() in found.read_bytes()
        assert process.ask({"close": True})["done"]
    finally:
        process.end()


def test_a_bug_of_ours_says_so():
    process = DecoderProcess()
    try:
        with pytest.raises(RuntimeError, match=r"in the decoder process: (?s:.*)no document is open"):
            process.ask({"page": 0})
        assert process.ask({"close": True})["done"]
    finally:
        process.end()


@kernel_counts_memory
def test_a_process_that_keeps_too_much_is_replaced(monkeypatch):
    with Reader(Limits(max_decode_bytes=4_000_000_000)) as reader:
        reader.read(GIF)
        process = process_of(reader)
        ask = DecoderProcess.ask

        def grown(self, question, descriptor=None):
            answer = ask(self, question, descriptor)
            return {**answer, "grown": 1_000_000_001} if "close" in question else answer

        monkeypatch.setattr(DecoderProcess, "ask", grown)
        reader.read(GIF)

        assert not process.alive
        assert reader.read(GIF).image.shape == (3, 4, 3)


@kernel_counts_memory
def test_the_process_counts_its_memory_as_the_kernel_does():
    before = data_bytes()
    # Not an array: that may fit into what tests before have given back to the allocator and not to the kernel.
    with mmap.mmap(-1, 50_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS):
        assert 45_000_000 < data_bytes() - before < 60_000_000


def test_nonsense_numbers():
    for value in (True, 1.0, "1", None, -1, 11):
        with pytest.raises(NonsenseError):
            decoder_process.whole_number(value, 0, 10)
    assert decoder_process.whole_number(10, 0, 10) == 10
