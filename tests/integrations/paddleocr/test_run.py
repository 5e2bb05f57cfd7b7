"""`docfleet run --provider paddleocr`, as a person runs it, with the stand-in."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.batch.jobs import ROOT, Bench, kill_group, tally, workers_of
from tests.integrations.paddleocr.conftest import STANDIN, Standin, page, save, save_document

DRAWN = ["--save", "json,img"]


@dataclass
class PackageBench(Bench):
    """Runs jobs of the package's PaddleOCR."""

    pipeline: str = "ocr"

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(STANDIN), str(ROOT)]),
            "STANDIN_LOG": str(self.log),
            "DOCFLEET_CACHE_HOME": str(self.folder / "cache"),
            "PADDLE_PDX_CACHE_HOME": str(self.folder / "paddlex"),
            "PYTHONFAULTHANDLER": "0",
        }

    @property
    def standin(self) -> Standin:
        return Standin(self.log)

    def pages(self) -> int:
        """Pages that the package was given, each time counted."""
        return sum(int(call["pages"]) for call in self.standin.did("predict"))


@pytest.fixture
def bench(tmp_path: Path) -> PackageBench:
    (tmp_path / "in").mkdir()
    return PackageBench(tmp_path, flags=["--provider", "paddleocr", "--progress", "none"])


def fill(bench: PackageBench) -> None:
    save(bench.input / "a.png", colour=10)
    save(bench.input / "x" / "a.png", colour=11)
    save(bench.input / "x" / "a.jpg", colour=12)
    save_document(bench.input / "b.tiff", page(colour=20), page("raises"), page(colour=22))
    (bench.input / "bad.png").write_bytes(b"no image at all")


def test_a_job_writes_the_packages_json_and_drawings_under_names_of_its_own(bench: PackageBench) -> None:
    fill(bench)
    bench.run(*DRAWN, status=1)
    assert sorted(bench.outputs()) == [
        "a.json", "a_ocr_res_img.png", "b_0.json", "b_0_ocr_res_img.tiff", "b_2.json", "b_2_ocr_res_img.tiff",
        "x/a~jpg.json", "x/a~jpg_ocr_res_img.jpg", "x/a~png.json", "x/a~png_ocr_res_img.png",
    ]  # fmt: skip
    assert bench.result("b_2.json")["page_index"] == 2
    assert bench.result("x/a~png.json")["rec_texts"] == ["8 x 6, [11, 20, 30]"]
    assert bench.outputs()["a_ocr_res_img.png"] == b"a drawing"
    summary = bench.summary()
    assert summary["documents"] == tally(5, 3, failed=2)
    assert summary["pages"] == tally(7, 5, failed=2)
    assert [one["category"] for one in bench.failures()] == ["pipeline", "input"]


def test_the_same_command_goes_on_where_it_was(bench: PackageBench) -> None:
    fill(bench)
    bench.run(*DRAWN, status=1)
    before, pages = bench.outputs(), bench.pages()
    save(bench.input / "new.png", colour=50)
    bench.run(*DRAWN, status=1)
    assert bench.pages() == pages + 1
    assert bench.outputs().keys() - before.keys() == {"new.json", "new_ocr_res_img.png"}
    assert bench.summary()["done_earlier_pages"] == 5


def test_other_options_are_not_mixed_in(bench: PackageBench) -> None:
    save(bench.input / "a.png", colour=10)
    bench.run("--text_det_thresh", "0.25")
    said = bench.run("--text_det_thresh", "0.5", status=2)
    assert "options.text_det_thresh was 0.25, is 0.5" in said
    said = bench.run("--text_det_thresh", "0.25", "--only_here", "True", status=2)
    assert "settings.only_here was not there, is true" in said


def test_other_weights_are_not_mixed_in(bench: PackageBench) -> None:
    save(bench.input / "a.png", colour=10)
    (bench.folder / "model").mkdir()
    (bench.folder / "model" / "inference.onnx").write_bytes(b"one")
    bench.run("--text_model_dir", "model")
    (bench.folder / "model").rename(bench.folder / "moved")
    bench.run("--text_model_dir", "moved")
    (bench.folder / "moved" / "inference.onnx").write_bytes(b"two")
    assert "options.text_model_dir.sha256" in bench.run("--text_model_dir", "moved", status=2)
    assert [one["name"] for one in bench.summary()["weights"]] == ["text"]


def test_flags_have_the_types_of_the_packages_own(bench: PackageBench) -> None:
    save(bench.input / "a.png", colour=10)
    bench.run(
        "--lang", "no", "--text-det-thresh", "0.25", "--input_shape", "[3, 4, 5]", "--only_here", "yes",
        "--rec_batch_size", "7", "--engine", "onnxruntime", "--engine_config", '{"a": 1}',
    )  # fmt: skip
    [made] = [one["options"] for one in bench.standin.did("make")]
    assert made["lang"] == "no"
    assert made["input_shape"] == [3, 4, 5]
    assert made["engine_config"] == {"a": 1}
    assert bench.standin.did("init")[0]["batch"] == 7
    assert bench.standin.did("predict")[0]["settings"]["only_here"] is True


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--text_det_thresh", "much"], "'much' is not a valid float"),
        (["--text_det_tresh", "1"], "No such option '--text_det_tresh'"),
        (["--only_here", "perhaps"], "neither True nor False"),
        (["--save", "json,pictures"], "save is 'pictures'"),
        (["--query", "what?"], "answers no questions"),
        (["--pipeline", "Nonsense"], "no 'Nonsense' in the installed PaddleOCR"),
    ],
)
def test_mistakes_are_named_before_anything_starts(bench: PackageBench, flags: list[str], words: str) -> None:
    save(bench.input / "a.png")
    said = bench.run(*flags, status=2)
    assert words in " ".join(said.split())
    assert bench.standin.did("make") == []


def test_help_shows_what_the_class_takes(bench: PackageBench) -> None:
    bench.run("--help")
    assert "--text_det_thresh NUMBER" in bench.printed
    assert "what text_det_thresh does" in bench.printed
    assert "--input_shape JSON|TEXT" in bench.printed


def test_options_come_from_a_file_too(bench: PackageBench) -> None:
    save(bench.input / "a.png")
    (bench.folder / "options.yaml").write_text("text_det_thresh: {'0': 0.5}\nlang: 'no'\n")
    bench.run("--options", "options.yaml")
    assert bench.standin.did("init")[0]["thresh"] == {"0": 0.5}


def test_a_class_that_cannot_be_made_ends_the_job(bench: PackageBench) -> None:
    save(bench.input / "a.png")
    assert "no such language" in bench.run("--lang", "none", status=3)


def test_documents_that_have_changed_leave_no_files_of_before(bench: PackageBench) -> None:
    bench.pipeline = "PPStructureV3"
    flags = ["--save", "json,txt,img,html,markdown,latex"]
    save_document(bench.input / "a.tiff", page(colour=20), page(colour=21))
    save(bench.input / "a_1_table.png", colour=30)
    bench.run(*flags)
    others = {name for name in bench.outputs() if re.match(r"a_1_table(\.|_[a-z])", name)}
    assert {name for name in bench.outputs() if name.startswith("a_1")} - others == {
        "a_1.json", "a_1.txt", "a_1.md", "a_1.tex", "a_1_imgs/at_0_0.jpg", "a_1_ocr_res_img.tiff",
        "a_1_table_1.html", "a_1_table_2.html",
    }  # fmt: skip
    assert bench.outputs()["a_1.tex"] == rb"\includegraphics{a_1_imgs/at_0_0.jpg}"
    save(bench.input / "a.tiff", colour=40)
    bench.run(*flags)
    assert {name for name in bench.outputs() if name.startswith("a_1")} == others
    bench.run(*flags, "--fresh")
    (bench.input / "a.tiff").unlink()
    bench.run(*flags, "--fresh")
    assert {name for name in bench.outputs() if name.startswith("a")} == others


def test_a_page_done_again_comes_out_the_same(bench: PackageBench) -> None:
    fill(bench)
    assert "came out the same" in bench.run(*DRAWN, "--verify", "3", "--progress", "plain", status=1)


def test_aggregated_lines_and_texts(bench: PackageBench) -> None:
    fill(bench)
    bench.run("--save", "jsonl,txt", status=1)
    assert len(bench.lines()) == 5
    assert bench.outputs()["a.txt"] == b"8 x 6, [10, 20, 30]\n"


def test_questions_of_every_page(bench: PackageBench) -> None:
    bench.pipeline = "doc_understanding"
    fill(bench)
    assert "--query" in bench.run(status=2)
    bench.run("--query", "what?", "--max_new_tokens", "5", status=1)
    assert bench.result("a.json")["result"] == "what? of in/a.png, {'max_new_tokens': 5}"
    assert bench.result("b_1.json")["input_path"] == "in/b.tiff"


@pytest.mark.kills
def test_killed_as_a_whole_the_job_ends_as_if_it_never_was(bench: PackageBench) -> None:
    for number in range(12):
        save(bench.input / f"{number}.png", "takes time")
    job = bench.start(*DRAWN)
    while bench.pages() < 5:
        assert job.poll() is None
        time.sleep(0.02)
    kill_group(job)
    job.communicate()
    bench.run(*DRAWN)
    assert bench.pages() <= 12 + 4
    assert len(bench.outputs()) == 24
    assert bench.temporary() == []


@pytest.mark.kills
def test_a_worker_that_is_killed_costs_no_page(bench: PackageBench) -> None:
    for number in range(12):
        save(bench.input / f"{number}.png", "takes time")
    job = bench.start()
    while bench.pages() < 3:
        assert job.poll() is None
        time.sleep(0.02)
    workers_of(job)[0].send_signal(signal.SIGKILL)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 0, said
    assert bench.summary()["pages"] == tally(12, 12)
    assert sum(slot["restarts"] for slot in bench.summary()["slots"]) == 1


def test_dry_runs_never_touch_the_package(bench: PackageBench) -> None:
    fill(bench)
    bench.run("--dry_run", status=1)
    assert bench.standin.did("make") == []
    assert "b_0.json b_1.json b_2.json" in bench.printed
