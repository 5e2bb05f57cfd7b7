"""The package behind the fleet, in real worker processes, with the stand-in."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import docfleet
from docfleet import PageFailure, PartialFailure
from docfleet.errors import StartError, UsageError
from tests.integrations.paddleocr.conftest import STANDIN, Standin, page, save, save_document

pytestmark = pytest.mark.usefixtures("standin")


def load(name: str = "PaddleOCR", **options: Any) -> Any:
    return docfleet.load_pipeline(name, **{"provider": "paddleocr", "device": "cpu", "on_error": "return", **options})


def alone(paths: list[Path]) -> list[dict[str, Any]]:
    """What the package by itself makes of pages: its JSON documents."""
    program = (
        "import json, sys, paddleocr; "
        "json.dump([r.json['res'] for r in paddleocr.PaddleOCR().predict_iter(sys.argv[1:])], sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, paths)],
        env={"PYTHONPATH": str(STANDIN)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    documents: list[dict[str, Any]] = json.loads(done.stderr.splitlines()[-1].replace("NaN", "null"))
    return documents


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Five good pages in three files, and what is not good between them."""
    folder = tmp_path / "scans"
    save(folder / "a.png", colour=10)
    (folder / "b.png").write_bytes(b"no image at all")
    save(folder / "c.png", "raises")
    save(folder / "d.png", colour=40)
    save_document(folder / "e.tiff", page(colour=50), page("is refused"), page(colour=52), page("gives nothing"))
    save(folder / "f.png", colour=60)
    return folder


def kind(result: Any) -> str:
    return f"{result.failure.category}" if isinstance(result, PageFailure) else result.text


def test_every_good_page_is_delivered_and_every_bad_one_named(scans: Path) -> None:
    with load(instances_per_device=2, batch_size=3) as pipeline:
        results = pipeline.predict(scans)
    good = [one for one in results if not isinstance(one, PageFailure)]
    bad = [one for one in results if isinstance(one, PageFailure)]
    assert [kind(one) for one in results] == [
        "8 x 6, [10, 20, 30]", "input", "pipeline", "8 x 6, [40, 20, 30]", "8 x 6, [50, 20, 30]", "pipeline",
        "8 x 6, [52, 20, 30]", "pipeline", "8 x 6, [60, 20, 30]",
    ]  # fmt: skip
    assert [(Path(one["input_path"]).name, one["page_index"]) for one in good] == [
        ("a.png", None), ("d.png", None), ("e.tiff", 0), ("e.tiff", 2), ("f.png", None),
    ]  # fmt: skip
    assert [one.failure.message.partition(": ")[2] for one in bad[1:]] == [
        "this page is bad", "the models are not initialized", "PaddleOCR gave 0 results for 1 pages",
    ]  # fmt: skip


def test_the_json_is_the_packages_own(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{number}.png", colour=number) for number in (10, 20)]
    with load() as pipeline:
        ours = pipeline.predict(paths)
    assert [one.json["res"] for one in ours] == alone(paths)
    assert [list(one.json["res"]) for one in ours] == [list(one) for one in alone(paths)]


def test_keys_and_types_are_the_packages(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", colour=10)
    with load() as pipeline:
        [result] = pipeline.predict(path)
    assert list(result) == [
        "input_path", "page_index", "rec_texts", "rec_scores", "rec_boxes", "not_a_number", "doc_preprocessor_res",
    ]  # fmt: skip
    assert result["rec_boxes"].dtype == np.int16
    assert np.array_equal(result["doc_preprocessor_res"]["output_img"][0, 0], [10, 20, 30])
    result.save_to_json(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "a_res.json").read_text())["not_a_number"] is None


def test_one_bad_page_costs_a_batch_nothing(standin: Standin) -> None:
    pages = [page(colour=10), page(colour=20), page("raises"), page(colour=40)]
    with load(batch_size=4) as pipeline:
        results = pipeline.predict(pages)
    assert [kind(one) for one in results] == [
        "8 x 6, [10, 20, 30]", "8 x 6, [20, 20, 30]", "pipeline", "8 x 6, [40, 20, 30]",
    ]  # fmt: skip


def test_the_package_gets_as_many_pages_as_asked_for(standin: Standin, tmp_path: Path) -> None:
    pages = [page("takes time")] + [page(colour=10)] * 12
    with load(batch_size=4) as pipeline:
        pipeline.predict(pages)
    assert max(call["pages"] for call in standin.did("predict")) == 4


def test_a_batch_that_does_not_fit_into_memory_is_halved() -> None:
    with load(batch_size=4) as pipeline:
        results = pipeline.predict([page("needs memory")] * 6)
    assert [kind(one) for one in results] == ["8 x 6, [5, 20, 30]"] * 6


def test_what_the_caller_passes_is_not_painted_on() -> None:
    array = page(colour=10)
    with load() as pipeline:
        [result] = pipeline.predict(array)
    assert np.array_equal(array, page(colour=10))
    assert result.input_path is None
    assert result["doc_preprocessor_res"]["output_img"][-1, -1, 0] == 255


@pytest.mark.kills
def test_a_page_that_kills_its_worker_fails_alone() -> None:
    with load(instances_per_device=2, batch_size=3, max_attempts=1) as pipeline:
        results = pipeline.predict([page(colour=10), page("aborts"), page(colour=30), page(colour=40)])
    assert [kind(one).partition(",")[0] for one in results] == ["8 x 6", "crash", "8 x 6", "8 x 6"]


@pytest.mark.kills
def test_a_worker_that_is_killed_costs_no_page() -> None:
    with load(instances_per_device=2) as pipeline:
        results: Iterator[Any] = pipeline.predict_iter(page("takes time") for _ in range(8))
        found = [next(results)]
        psutil.Process().children(recursive=True)[0].kill()
        found += results
    assert [kind(one) for one in found] == ["8 x 6, [6, 20, 30]"] * 8


def test_each_instance_has_one_device_and_its_share_of_the_cores(standin: Standin) -> None:
    def until_both_work() -> Iterator[np.ndarray[Any, Any]]:
        while len({one["pid"] for one in standin.did("make")}) < 2:
            yield page("takes time")

    with load(instances_per_device=2, cpu_threads=1, engine="onnxruntime") as pipeline:
        pipeline.predict(until_both_work())
    for one in standin.did("make"):
        assert one["options"]["device"] == "cpu"
        assert one["options"]["engine_config"] == {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
        assert one["variables"]["OMP_NUM_THREADS"] == "1"
        assert one["variables"]["PADDLE_PDX_DISABLE_DEVICE_FALLBACK"] == "1"


def test_other_engines_hear_of_threads_by_their_own_word(standin: Standin) -> None:
    with load(cpu_threads=1, engine="paddle") as pipeline:
        pipeline.predict(page(colour=10))
    [made] = standin.did("make")
    assert made["options"]["cpu_threads"] == 1
    assert "engine_config" not in made["options"]


def test_what_the_user_says_of_the_engine_stands(standin: Standin) -> None:
    with load(engine="onnxruntime", engine_config={"execution_mode": "parallel"}) as pipeline:
        pipeline.predict(page(colour=10))
    [made] = standin.did("make")
    assert made["options"]["engine_config"] == {"execution_mode": "parallel"}


def test_options_reach_the_class_and_settings_the_call(standin: Standin) -> None:
    with load(text_det_thresh=0.25, rec_batch_size=4, only_here=True) as pipeline:
        pipeline.predict(page(colour=10))
        pipeline.predict(page(colour=10), text_det_thresh=0.5, only_here=False)
        with pytest.raises(UsageError, match="Unknown argument: txt"):
            pipeline.predict(page(colour=10), txt=1)
    [init] = standin.did("init")
    assert init == {"did": "init", "pid": init["pid"], "batch": 4, "thresh": 0.25}
    assert [call["settings"] for call in standin.did("predict")] == [
        {"text_det_thresh": None, "only_here": True},
        {"text_det_thresh": 0.5, "only_here": False},
    ]


def test_a_class_that_cannot_be_made_says_why_once() -> None:
    with (
        load(instances_per_device=2, lang="none") as pipeline,
        pytest.raises(StartError, match=r"PaddleOCR cannot be made: RuntimeError: A dependency.*'no such language'"),
    ):
        pipeline.predict(page(colour=10))


def test_the_caller_is_left_alone(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    before = np.get_printoptions(), list(logging.getLogger().handlers)
    with caplog.at_level(logging.INFO), load() as pipeline:
        pipeline.predict(page(colour=10))
    assert (np.get_printoptions(), list(logging.getLogger().handlers)) == before
    assert "made a PaddleOCR" in [one.getMessage() for one in caplog.records if one.name == "paddlex"]
    assert "banner" not in "".join(capfd.readouterr())


def test_layouts_keep_their_blocks_and_the_pages_of_their_document(tmp_path: Path) -> None:
    path = save_document(tmp_path / "a.tiff", page(colour=10), page(colour=20))
    with load("PPStructureV3", artefacts=["markdown", "img"]) as pipeline:
        first, second = pipeline.predict(path)
    assert [one["page_count"] for one in (first, second)] == [2, 2]
    assert second["page_index"] == 1
    block = second["blocks"][0]
    assert (block.label, block.bbox) == ("text", [0, 0, 4, 4])
    assert block.image.getpixel((0, 0)) == (30, 20, 20)
    assert second.text == "8 x 6, [20, 20, 30]"
    assert second.markdown["markdown_texts"] == "8 x 6, [20, 20, 30]"
    second.save_all(tmp_path / "out")
    assert sorted(str(each.relative_to(tmp_path / "out")) for each in (tmp_path / "out").rglob("*.*")) == [
        "a_1.md", "a_1_imgs/at_0_0.jpg", "a_1_ocr_res_img.tiff", "a_1_res.json",
    ]  # fmt: skip
    assert "a_1_imgs/at_0_0.jpg" in (tmp_path / "out" / "a_1.md").read_text()
    first.save_to_markdown(tmp_path / "out")
    assert (tmp_path / "out" / "a_0_imgs").is_dir()


def test_files_that_were_not_asked_for_are_not_there(tmp_path: Path) -> None:
    with load(artefacts=["html"]) as pipeline:
        [result] = pipeline.predict(page(colour=10))
    with pytest.raises(UsageError, match=r"artefacts=\['img'\]"):
        result.save_to_img(tmp_path)
    result.save_to_html(tmp_path)
    assert list(tmp_path.glob("*.html")) == []


def test_a_page_that_cannot_be_drawn_is_one_failure() -> None:
    with load(artefacts=["img"]) as pipeline:
        good, bad = pipeline.predict([page(colour=10), page("cannot be drawn")])
    assert list(good.artefacts("img"))
    assert "no font" in bad.failure.message


def test_fonts_are_fetched_once_and_half_a_font_is_replaced(standin: Standin, tmp_path: Path) -> None:
    (tmp_path / "paddlex" / "fonts").mkdir(parents=True)
    (tmp_path / "paddlex" / "fonts" / "PingFang.ttf").write_bytes(b"half a fo")
    with load(instances_per_device=2, artefacts=["img"]) as pipeline:
        pipeline.predict([page("takes time")] * 2)
    assert len(standin.did("fetch font")) == 2
    assert (tmp_path / "paddlex" / "fonts" / "PingFang.ttf").stat().st_size > 1000


def test_drawings_without_a_font_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_OFFLINE", "1")
    with load(artefacts=["img"]) as pipeline, pytest.raises(StartError, match="PADDLE_PDX_LOCAL_FONT_FILE_PATH"):
        pipeline.predict(page(colour=10))


def test_a_visual_step_gives_what_the_next_step_takes(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", colour=10)
    with load("pp_chatocrv4_doc", instances_per_device=2, artefacts=["img"]) as pipeline:
        [result] = pipeline.visual_predict([path])
    assert result["visual_info"] == {"normal_text_dict": {"text": "8 x 6, [10, 20, 30]"}}
    assert result["layout_parsing_result"]["input_path"] == result["input_path"] == str(path)
    document = result.json["res"]
    assert document["visual_info"] == result["visual_info"]
    assert document["layout_parsing_result"]["parsing_res_list"][0]["block_label"] == "text"
    assert result.text == "8 x 6, [10, 20, 30]"
    assert [file.tail for file in result.artefacts("img")] == ["_ocr_res_img.png"]


def test_questions_are_asked_of_files_pages_and_arrays(tmp_path: Path) -> None:
    image = save(tmp_path / "a.png", colour=10)
    document = save_document(tmp_path / "b.tiff", page(colour=20), page(colour=21))
    given = [
        {"image": str(image), "query": "one"},
        {"image": document, "query": "two", "hint": 5},
        {"query": "no image"},
        {"image": page(colour=30), "query": "four"},
        {"image": "http://host/a.png", "query": "five"},
    ]
    with load("DocUnderstanding", instances_per_device=2) as pipeline:
        results = pipeline.predict(given, max_new_tokens=7)
    good = [one for one in results if not isinstance(one, PageFailure)]
    assert [one.json["res"] for one in good] == [
        {
            "image": str(image),
            "query": "one",
            "input_path": str(image),
            "result": f"one of {image}, {{'max_new_tokens': 7}}",
        },
        # Arrays are read as RGB there.
        *(
            {
                "image": str(document),
                "query": "two",
                "hint": 5,
                "result": f"two of colour [30, 20, {colour}], {{'max_new_tokens': 7}}",
                "input_path": str(document),
                "page_index": number,
            }
            for number, colour in enumerate((20, 21))
        ),
        {"image": None, "query": "four", "result": "four of colour [30, 20, 30], {'max_new_tokens': 7}"},
    ]
    bad = [one.failure.message for one in results if isinstance(one, PageFailure)]
    assert "no 'image'" in bad[0]
    assert "cannot be fetched" in bad[1]


def test_one_question_for_every_page(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    save(tmp_path / "in" / "b.png")
    with load("doc_understanding", query="what?") as pipeline:
        assert [one.text.partition(" ")[0] for one in pipeline.predict(tmp_path / "in")] == ["what?", "what?"]


def test_nothing_asked_is_said_at_once(tmp_path: Path) -> None:
    with load("doc_understanding") as pipeline, pytest.raises(UsageError, match="is asked something about each page"):
        pipeline.predict(page())


def test_a_single_network_takes_what_it_does_not_declare(standin: Standin) -> None:
    with load("text_detection", thresh=0.5) as pipeline:
        [result] = pipeline.predict(page(colour=10), box_thresh=0.25)
    assert result["dt_scores"] == [0.5]
    assert standin.did("predict")[0]["settings"] == {"box_thresh": 0.25}


def test_by_default_failures_are_raised_after_everything_good(scans: Path) -> None:
    with load(on_error="raise") as pipeline, pytest.raises(PartialFailure) as caught:
        pipeline.predict(scans)
    assert caught.value.failed == 4
    assert len(caught.value.results or ()) == 5
