"""Whole jobs that nothing disturbs: what is found, what is written, what is said, and what a second run does."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.batch.jobs import Bench, tally


def test_results_lie_under_their_relative_folders_and_the_books_balance(bench: Bench) -> None:
    bench.image("a.png", grey=10)
    bench.image("deep/er/b.png")
    bench.document("doc.tif", 3)
    (bench.input / "deep" / "notes.txt").write_text("not a document")
    said = bench.run()
    assert sorted(bench.outputs()) == ["a.json", "deep/er/b.json", "doc_0.json", "doc_1.json", "doc_2.json"]
    assert bench.result("a.json") == {
        "input_path": "in/a.png", "width": 8, "height": 6, "mean": 10.0, "word": "",
    }  # fmt: skip
    assert bench.result("doc_2.json")["page_index"] == 2
    summary = bench.summary()
    assert summary["documents"] == tally(4, 3, skipped=1)
    assert summary["pages"] == tally(5, 5)
    assert summary["exit_status"] == 0
    assert summary["status"] == "done"
    assert [slot["name"] for slot in summary["slots"]] == ["cpu#0", "cpu#1"]
    assert sum(slot["pages"] for slot in summary["slots"]) == 5
    assert "docfleet: done: 5 pages" in said
    assert bench.failures() == []
    assert bench.temporary() == []
    assert bench.printed == ""


def test_a_failed_page_costs_itself_and_is_named(bench: Bench) -> None:
    for name in ("a.png", "b.png", "fail-c.png"):
        bench.image(name)
    (bench.input / "broken.png").write_bytes(b"not a picture")
    said = bench.run(status=1)
    assert sorted(bench.outputs()) == ["a.json", "b.json"]
    assert bench.summary()["pages"] == tally(4, 2, failed=2)
    found = {row["input"]: row for row in bench.failures()}
    assert found["in/broken.png"]["category"] == "input"
    assert found["in/fail-c.png"]["category"] == "pipeline"
    assert found["in/fail-c.png"]["message"] == "ValueError: this page is bad"
    assert "in/broken.png: text, not an image or PDF" in said
    assert "all of them: out/_docfleet/failures.jsonl" in said


def test_what_is_done_is_not_computed_again(bench: Bench) -> None:
    bench.image("a.png")
    bench.image("fail-b.png")
    bench.document("doc.tif", 4)
    bench.run(status=1)
    before, outputs = bench.computed(), bench.outputs()
    bench.run(status=1)
    assert bench.computed() == before
    assert bench.outputs() == outputs
    summary = bench.summary()
    assert summary["pages"] == tally(6, 5, failed=1)
    assert summary["done_earlier_pages"] == 5
    assert summary["failed_earlier_pages"] == 1
    assert len(bench.failures()) == 1


def test_failed_pages_alone_are_tried_again_when_that_is_asked_for(bench: Bench) -> None:
    bench.image("a.png")
    bad = bench.input / "b.png"
    bad.write_bytes(b"nothing yet")
    stamp = 1_700_000_000
    os.utime(bad, (stamp, stamp))
    bench.run(status=1)
    before = bench.failures()[0]["message"]
    data = (bench.input / "a.png").read_bytes()
    bad.write_bytes(data[: len(b"nothing yet")])
    os.utime(bad, (stamp, stamp))
    bench.run(status=1)
    assert [path for path, _ in bench.computed()] == ["in/a.png"]
    bench.run("--retry_failed", status=1)
    assert bench.failures()[0]["message"] != before


def test_a_failed_page_of_a_document_is_tried_again_by_itself(bench: Bench) -> None:
    bench.document("fail-doc.tif", 3)
    bench.run(status=1)
    assert bench.summary()["pages"] == tally(3, 0, failed=3)
    (bench.input / "fail-doc.tif").rename(bench.input / "doc.tif")
    bench.run()
    assert bench.summary()["pages"] == tally(3, 3)


def test_a_changed_document_is_done_again_and_its_old_outputs_are_gone(bench: Bench) -> None:
    bench.document("doc.tif", 5)
    bench.image("a.png", grey=1)
    bench.run("--save", "json,txt,jsonl")
    assert len(bench.lines()) == 6
    bench.document("doc.tif", 2)
    os.utime(bench.input / "doc.tif", (1, 1))
    bench.run("--save", "json,txt,jsonl")
    assert sorted(bench.outputs())[:6] == ["a.json", "a.txt", "doc_0.json", "doc_0.txt", "doc_1.json", "doc_1.txt"]
    assert not (bench.output / "doc_4.json").exists()
    assert sorted((line["input_path"], line.get("page_index")) for line in bench.lines()) == [
        ("in/a.png", None), ("in/doc.tif", 0), ("in/doc.tif", 1),
    ]  # fmt: skip
    assert bench.summary()["pages"] == tally(3, 3)


def test_by_content_a_touched_document_is_the_same_and_a_changed_one_is_not(bench: Bench) -> None:
    a, b = bench.image("a.png"), bench.image("b.png", grey=1)
    bench.run("--fingerprint", "content")
    os.utime(a, (1, 1))
    stamp = b.stat().st_mtime_ns
    bench.image("b.png", grey=2)
    os.utime(b, ns=(stamp, stamp))
    bench.run("--fingerprint", "content")
    assert [path for path, _ in bench.computed()].count("in/a.png") == 1
    assert bench.result("b.json")["mean"] == 2.0


def test_another_option_is_noticed_and_nothing_is_mixed(bench: Bench) -> None:
    bench.image("a.png")
    bench.run("--word", "one")
    said = bench.run("--word", "two", status=2)
    assert 'word was "one", is "two"' in said
    assert "--fresh" in said
    assert bench.result("a.json")["word"] == "one"
    bench.run("--word", "two", "--fresh")
    assert bench.result("a.json")["word"] == "two"


def test_fresh_removes_what_earlier_runs_wrote_and_nothing_else(bench: Bench) -> None:
    bench.image("a.png")
    bench.document("doc.tif", 3)
    bench.run("--save", "json,txt,jsonl")
    (bench.output / "mine.json").write_text("{}")
    (bench.input / "doc.tif").unlink()
    bench.run("--save", "txt", "--fresh")
    assert sorted(bench.outputs()) == ["a.txt", "mine.json"]


def test_a_moved_input_folder_has_to_be_named_as_such(bench: Bench) -> None:
    bench.image("a.png")
    bench.run()
    bench.input.rename(bench.folder / "elsewhere")
    said = bench.run("--input_dir", "elsewhere", status=2)
    assert "--moved" in said
    bench.run("--input_dir", "elsewhere", "--moved")
    assert len(bench.computed()) == 1


@pytest.mark.parametrize(("pages", "expected"), [("1", [0]), ("2-3,5", [1, 2, 4]), ("4-", [3, 4]), ("9-12", [])])
def test_the_selected_pages_are_done(bench: Bench, pages: str, expected: list[int]) -> None:
    bench.document("doc.tif", 5)
    bench.run("--pages", pages)
    assert sorted(bench.outputs()) == [f"doc_{page}.json" for page in expected]
    assert bench.summary()["documents"] == tally(1, 1)
    assert bench.summary()["pages"]["done"] == len(expected)


def test_a_limit_is_of_documents_in_the_order_of_their_names(bench: Bench) -> None:
    for number in range(5):
        bench.image(f"{number}.png")
    bench.run("--limit", "2")
    assert sorted(bench.outputs()) == ["0.json", "1.json"]
    bench.run("--limit", "3")
    assert sorted(bench.outputs()) == ["0.json", "1.json", "2.json"]
    assert bench.summary()["done_earlier_documents"] == 2


def test_the_output_folder_may_lie_inside_the_input_folder(bench: Bench) -> None:
    bench.image("a.png")
    bench.run("--output_dir", "in/out", "--input_glob_pattern", "**/*")
    assert (bench.input / "out" / "a.json").exists()
    bench.run("--output_dir", "in/out", "--input_glob_pattern", "**/*")
    assert len(bench.computed()) == 1


def test_too_many_failures_end_the_job_and_the_next_run_goes_on(bench: Bench) -> None:
    for number in range(400):
        bench.image(f"fail-{number:03}.png")
    said = bench.run("--max_failures", "5", status=4)
    assert "max_failures" in said
    summary = bench.summary()
    assert 5 <= summary["pages"]["failed"] < 400
    assert summary["stopped"].endswith("pages have failed: max_failures is reached")
    bench.run(status=1)
    assert bench.summary()["pages"] == tally(400, 0, failed=400)
    assert len(bench.computed()) == 400


def test_a_list_names_documents_one_a_line(bench: Bench) -> None:
    bench.image("a.png")
    bench.image("sub/b.png")
    bench.image("c.png")
    (bench.folder / "list.txt").write_text("a.png\n\nsub\nmissing.png\na.png\n")
    bench.run("--input_list", "list.txt", status=1)
    assert sorted(bench.outputs()) == ["a.json", "sub/b.json"]
    assert bench.failures()[0]["message"] == "in/missing.png: no such file or folder"
    assert bench.summary()["documents"] == tally(3, 2, failed=1)


def test_aggregated_lines_are_whole_and_there_is_one_of_each_page(bench: Bench) -> None:
    bench.document("doc.tif", 20)
    bench.image("a.png")
    bench.image("abort-b.png")
    bench.run("--save", "jsonl", "--max_attempts", "2", status=1)
    assert [name for name in bench.outputs() if not name.startswith("jsonl/")] == []
    assert sorted((line["input_path"], line.get("page_index", -1)) for line in bench.lines()) == [
        ("in/a.png", -1), *(("in/doc.tif", page) for page in range(20)),
    ]  # fmt: skip


def test_a_sample_is_done_again_and_compared(bench: Bench) -> None:
    bench.document("doc.tif", 10)
    said = bench.run("--verify", "4")
    assert "doing 4 pages again on one fresh instance" in said
    assert "all 4 came out the same" in said


def test_a_result_that_depends_on_more_than_its_page_is_found_out(bench: Bench) -> None:
    bench.pipeline = "tests.batch.pipelines:Moody"
    bench.image("a.png")
    said = bench.run("--verify", "1", status=4)
    assert "came out differently when it was done again" in said
    assert bench.summary()["status"] == "inconsistent"


def test_a_dry_run_writes_nothing_and_tells_every_name(bench: Bench) -> None:
    bench.image("a.png")
    bench.image("a.jpg")
    bench.document("doc.tif", 9)
    (bench.input / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    bench.run("--dry_run", "--pages", "2-", status=1)
    assert not bench.output.exists()
    lines = [line.split("\t") for line in bench.printed.splitlines()]
    assert lines[0][:2] == ["in/a.jpg", "0 pages"]
    assert lines[2][1].startswith("input: in/broken.pdf: ")
    assert lines[3] == ["in/doc.tif", "8 pages", "doc_1.json doc_2.json ... doc_8.json"]
    bench.run("--dry_run", status=1)
    lines = [line.split("\t") for line in bench.printed.splitlines()]
    assert lines[:2] == [["in/a.jpg", "1 page", "a~jpg.json"], ["in/a.png", "1 page", "a~png.json"]]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input_dir", "nowhere"], "the input folder does not exist: nowhere"),
        (["--input_glob_pattern", "*.jpg"], "'*.jpg' matches nothing below in"),
        (["--output_dir", "in"], "outputs would become inputs"),
        (["--output_dir", "."], "outputs would become inputs"),
        (["--output_dir", "in/a.png"], "is not a folder"),
        (["--save", "gold"], "can be saved as json, jsonl, txt"),
        (["--pages", "5-2"], "ends before it begins"),
        (["--device", "gpu:0"], "gpu:0 is not there"),
        (["--pipeline", "PadleOCR"], "did you mean PaddleOCR?"),
        (["--pipeline", "tests.batch.pipelines:EchoStages"], "is no subclass of"),
        (["--max_failures", "120%"], "a percentage below 100"),
        (["--frobnicate", "1"], "No such option"),
    ],
)
def test_a_job_that_makes_no_sense_says_so_before_it_writes(bench: Bench, flags: list[str], message: str) -> None:
    bench.image("a.png")
    said = bench.run(*flags, status=3 if "--device" in flags else 2)
    assert message in said
    assert sorted(path.name for path in bench.folder.iterdir()) == ["in"]
    assert [path.name for path in bench.input.iterdir()] == ["a.png"]


def test_options_come_from_a_file_and_flags_overrule_it(bench: Bench) -> None:
    bench.image("a.png")
    (bench.folder / "options.yaml").write_text("word: from the file\nseconds: 0.01\n")
    bench.run("--options", "options.yaml")
    assert bench.result("a.json")["word"] == "from the file"
    bench.run("--options", "options.yaml", "--word", "typed", "--fresh")
    assert bench.result("a.json")["word"] == "typed"


def test_quiet_says_what_went_wrong_and_nothing_else(bench: Bench) -> None:
    bench.image("a.png")
    assert bench.run("--quiet") == ""
    bench.image("fail-b.png")
    said = bench.run("--quiet", status=1)
    assert "in/fail-b.png" in said
    assert "documents" not in said


def test_the_log_file_gets_what_the_terminal_does_not(bench: Bench) -> None:
    bench.image("abort-a.png")
    bench.run("--max_attempts", "1", "--log_file", "job.log", status=1)
    text = (bench.folder / "job.log").read_text()
    assert "SIGABRT" in text
    assert "docfleet.fleet" in text


def test_undecodable_and_strange_names_are_done(bench: Bench) -> None:
    strange = [b"caf\xe9.png", b"two\nlines.png", b" leading.png", b"x" * 251 + b".png"]
    plain = bench.image("plain.png")
    for name in strange:
        Path(os.fsdecode(os.fsencode(bench.input) + b"/" + name)).write_bytes(plain.read_bytes())
    bench.run()
    assert bench.summary()["documents"] == tally(5, 5)
    assert len(bench.outputs()) == 5
    assert {json.loads(data)["width"] for data in bench.outputs().values()} == {8}
    before = sorted(bench.outputs())
    bench.run()
    assert sorted(bench.outputs()) == before
    assert len(bench.computed()) == 5


def test_a_job_does_not_begin_before_its_weights_are_there(bench: Bench) -> None:
    bench.image("a.png")
    bench.pipeline = "PaddleOCR"
    said = bench.run("--text_detection_model_dir", "nowhere", status=3)
    assert "nowhere" in said
    assert not bench.output.exists()


def test_the_first_documents_are_done_while_others_are_still_looked_for(bench: Bench) -> None:
    """The list comes through a pipe that stays open."""
    bench.image("a.png")
    bench.image("b.png")
    reader, writer = os.pipe()
    job = bench.start("--input_list", "-", "--progress", "none", stdin=reader)
    os.close(reader)
    os.write(writer, b"a.png\n")
    end = time.monotonic() + 60
    while not (bench.output / "a.json").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert (bench.output / "a.json").exists()
    os.write(writer, b"b.png\n")
    os.close(writer)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 0, said
    assert sorted(bench.outputs()) == ["a.json", "b.json"]


def test_files_that_were_there_before_are_nobody_s_to_remove(bench: Bench) -> None:
    bench.image("a.png")
    mine = bench.output / "jsonl" / "part-00001.jsonl"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine\n")
    bench.run("--save", "json,jsonl")
    bench.run("--save", "json,jsonl", "--fresh")
    assert mine.read_text() == "mine\n"
    assert len(list(mine.parent.iterdir())) == 2


def test_by_content_what_is_no_regular_file_holds_nothing_up(bench: Bench) -> None:
    bench.image("a.png")
    os.mkfifo(bench.input / "pipe.png")
    (bench.input / "zero.png").symlink_to("/dev/zero")
    bench.run("--fingerprint", "content", status=1)
    assert {row["message"] for row in bench.failures()} == {
        "in/pipe.png: is not a regular file",
        "in/zero.png: is not a regular file",
    }


def test_a_file_from_the_far_future_is_a_file(bench: Bench) -> None:
    os.utime(bench.image("a.png"), (13_569_465_600, 13_569_465_600))
    bench.run()
    bench.run()
    assert len(bench.computed()) == 1


def test_a_list_that_is_separated_otherwise_names_nothing_that_is_there(bench: Bench) -> None:
    bench.image("sub/a.png")
    (bench.folder / "list").write_bytes(b"sub/a.png\0sub/b.png\0")
    bench.run("--input_list", "list", status=1)
    assert bench.summary()["documents"] == tally(1, 0, failed=1)


def test_an_output_folder_that_leads_in_a_circle_is_an_error_of_usage(bench: Bench) -> None:
    bench.image("a.png")
    (bench.folder / "loop").symlink_to("loop")
    assert "is not a folder" in bench.run("--output_dir", "loop", status=2)


def test_doubt_about_results_stays_until_they_are_removed(bench: Bench) -> None:
    bench.pipeline = "tests.batch.pipelines:Moody"
    bench.image("a.png")
    said = bench.run("--verify", "1", status=4)
    assert "to go on" not in said
    assert "results that are in doubt" in bench.run(status=4)
    bench.run("--fresh")


def test_options_may_change_where_nothing_is_done_yet(bench: Bench) -> None:
    bench.image("fail-a.png")
    bench.run("--word", "one", status=1)
    (bench.input / "fail-a.png").rename(bench.input / "a.png")
    bench.run("--word", "two")
    assert bench.result("a.json")["word"] == "two"
    assert bench.failures() == []


def test_a_dry_run_names_outputs_as_earlier_runs_have(bench: Bench) -> None:
    bench.image("a.jpg")
    bench.run()
    bench.image("a.png")
    bench.run("--dry_run")
    assert [line.split("\t")[2] for line in bench.printed.splitlines()[:2]] == ["a.json", "a~png.json"]


@pytest.mark.parametrize("flags", [["--pdf_password", "open sesame"], ["--pdf-password=open sesame"]])
def test_a_password_is_written_nowhere(bench: Bench, flags: list[str]) -> None:
    bench.image("a.png")
    (bench.input / "b.png").write_bytes(b"none")
    said = bench.run(*flags, status=1)
    assert "sesame" not in said
    assert "***" in bench.summary()["command"]
    for path in bench.output.rglob("*"):
        assert path.is_dir() or b"sesame" not in path.read_bytes()
