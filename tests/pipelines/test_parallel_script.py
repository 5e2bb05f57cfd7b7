"""Programs that bring their own processes, and the document that taught people to write them.

The document is the reference's page on parallel inference. It is not part of this repository: tests that need it read
it from the file that DOCFLEET_PARALLEL_DOC names, and run what it shows with `paddleocr` replaced by `docfleet`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from docfleet import PaddleOCR
from tests.pipelines.programs import TINY, Ended, Programs, written

pytestmark = pytest.mark.weights

NODE = "cpu:0"
TWICE = "cpu:0,0"
"""Two slots on one NUMA node."""


@pytest.fixture
def pages(programs: Programs) -> Path:
    """Five pages in four files, one of them a PDF."""
    folder = programs.folder / "input_images"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"page{number}.png"), written(f"page {number}"))
    first, second = (Image.fromarray(written(f"sheet {number}")) for number in (1, 2))
    first.save(folder / "sheets.pdf", save_all=True, append_images=[second], resolution=144)
    return folder


TEXTS = [["page 0"], ["page 1"], ["page 2"], ["sheet 1"], ["sheet 2"]]


@pytest.fixture
def whole_pages(programs: Programs, pages: Path) -> Path:
    """The same on sheets of paper: unwarping, which is on by default, is made for those and bends a strip."""
    for path in sorted(pages.glob("*.png")):
        cv2.imwrite(str(path), on_paper(cv2.imread(str(path))))
    first, second = (Image.fromarray(on_paper(written(f"sheet {number}"))) for number in (1, 2))
    first.save(pages / "sheets.pdf", save_all=True, append_images=[second], resolution=144)
    return pages


def on_paper(strip: Any) -> Any:
    page = np.full((1130, 800, 3), 255, np.uint8)
    page[100 : 100 + strip.shape[0], 80 : 80 + strip.shape[1]] = strip
    return page


def expected(folder: Path, **options: Any) -> dict[str, Any]:
    """What one pipeline in this process makes of the pages: file names and the JSON in them."""
    with PaddleOCR(**{**options, "device": NODE}) as pipeline:
        return {f"{one.stem()}.json": one.json["res"] for one in pipeline.predict(folder)}


def found(folder: Path) -> dict[str, Any]:
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("devices", "per_device", "batch_size", "method"), [(TWICE, 1, 1, "fork"), (NODE, 2, 4, "spawn")]
)
def test_a_program_with_processes_of_its_own(
    programs: Programs, pages: Path, devices: str, per_device: int, batch_size: int, method: str
) -> None:
    right = expected(pages, **TINY)
    assert [document["rec_texts"] for document in right.values()] == TEXTS
    bad = pages / "page1a.png"
    bad.write_bytes(b"not an image")
    script = ["-m", "tests.pipelines.parallel_script", str(pages), "output", devices, str(per_device), str(batch_size)]
    ended = programs.run([*script, method])
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"1 page or document failed: {bad}")
    assert ended.out.count("\n") == 1
    assert found(programs.folder / "output") == right


def test_the_devices_in_the_call(pages: Path, no_worker_left: None) -> None:
    """What the program above becomes."""
    options = {**TINY, "cpu_threads": 1}
    right = expected(pages, **options)
    with PaddleOCR(**{**options, "device": TWICE}) as pipeline:
        assert {f"{one.stem()}.json": one.json["res"] for one in pipeline.predict(input=str(pages))} == right


# What the document shows.


@pytest.fixture(scope="session")
def document() -> str:
    name = os.environ.get("DOCFLEET_PARALLEL_DOC")
    if not name:
        pytest.skip("DOCFLEET_PARALLEL_DOC does not name the reference's page on parallel inference")
    return Path(name).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document, re.MULTILINE | re.DOTALL)


def pointed_at_docfleet(script: str) -> str:
    """The script with its two imports replaced, and not a character more."""
    for theirs, ours in (
        ("import paddleocr\n", "import docfleet as paddleocr\n"),
        (
            "from paddlex.utils.device import constr_device, parse_device\n",
            "from docfleet import constr_device, parse_device\n",
        ),
    ):
        assert script.count(theirs) == 1
        script = script.replace(theirs, ours)
    return script


@pytest.mark.peers
@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ([], ["page0", "page1", "page2", "sheets_0", "sheets_1"]),
        (
            ["--instances_per_device", "2", "--batch_size", "4", "--input_glob_pattern", "*.png"],
            ["page0", "page1", "page2"],
        ),
    ],
    ids=["every file", "several instances and a pattern"],
)
def test_the_documents_script(
    programs: Programs, document: str, whole_pages: Path, flags: list[str], names: list[str]
) -> None:
    """With the default networks. It prints a line for each page, and an error would be a line on stderr."""
    (programs.folder / "infer_mp.py").write_text(pointed_at_docfleet(blocks(document, "python")[1]), encoding="utf-8")
    ended = programs.run(
        ["infer_mp.py", "--pipeline", "PaddleOCR", "--input_dir", "input_images/", "--device", TWICE, *flags]
    )
    assert (ended.status, ended.err) == (0, "")
    *lines, last = ended.out.splitlines()
    assert last == "All done"
    assert len(lines) == len(names)
    # The script names pages by relative paths, as it was given the folder.
    right = expected(whole_pages)
    assert [document["rec_texts"] for document in right.values()] == TEXTS
    for one in right.values():
        one["input_path"] = os.path.relpath(one["input_path"], programs.folder)
    assert found(programs.folder / "output") == {f"{name}.json": right[f"{name}.json"] for name in names}


@pytest.mark.peers
@pytest.mark.parametrize("language", ["bash", "python"])
def test_the_documents_examples_with_several_devices(
    programs: Programs, document: str, pages: Path, language: str
) -> None:
    """On the devices that are here."""
    example = blocks(document, language)[0].replace("gpu:0,1,2,3", TWICE)
    if language == "python":
        ended = programs.run(["-c", example.replace("from paddleocr import", "from docfleet import")])
    else:
        # Its last flag stands on a line that the shell would take for another command.
        name, *flags = shlex.split(example.replace("\\\n", " ").replace("\n", " "))
        assert name == "paddleocr"
        ended = programs.run(["-m", "docfleet", *flags])
        assert len(list((programs.folder / "output").iterdir())) >= 5
        assert "0 failed" in ended.err
    assert ended == Ended(0, ended.out, ended.err if language == "bash" else "")
