"""What outputs depend on, and how a difference is named."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from docfleet.batch.identity import differences, identity_of
from docfleet.batch.options import JobOptions
from docfleet.batch.selection import PageSelection
from docfleet.pipelines.base import Prepared
from tests.batch.pipelines import Echo, EchoOptions


def prepared(**options: Any) -> Prepared:
    return Echo.prepare(EchoOptions(device="cpu", **options))


def identity(job: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return identity_of(
        "Echo", prepared(**options), JobOptions(**{"input_dir": "in", "output_dir": Path("out"), **(job or {})})
    )


def changed(job: dict[str, Any] | None = None, **options: Any) -> list[tuple[str, Any, Any]]:
    """What differs from a job that nothing was said about."""
    return differences(identity(), identity(job, **options))


@pytest.mark.parametrize(
    ("job", "options"),
    [
        ({}, {"instances_per_device": 3, "batch_size": 4, "cpu_threads": 1, "timeout": 5.0, "max_attempts": 7}),
        ({"output_dir": Path("elsewhere"), "pattern": "*.png", "limit": 7, "fsync": True, "verify": 3}, {}),
        ({"retry_failed": True, "moved": True, "fresh": True, "input_list": ["a.png"], "by_content": True}, {}),
        ({"saves": ("json",), "input_dir": "./in/"}, {}),
        ({"input_dir": os.path.abspath("in")}, {}),  # noqa: PTH100
    ],
)
def test_what_does_not_change_results_is_no_difference(job: dict[str, Any], options: dict[str, Any]) -> None:
    assert changed(job, **options) == []


@pytest.mark.parametrize(
    ("job", "options", "expected"),
    [
        ({}, {"word": "x"}, ("word", "", "x")),
        ({}, {"pdf_dpi": 100.0}, ("reading.pdf_dpi", None, 100.0)),
        ({}, {"max_page_pixels": 7}, ("reading.max_page_pixels", None, 7)),
        ({"saves": ("txt", "json")}, {}, ("save", ["json"], ["json", "txt"])),
        ({"pages": PageSelection.parse("2-")}, {}, ("pages", None, [[1, None]])),
    ],
)
def test_what_changes_results_is_named_with_both_values(
    job: dict[str, Any], options: dict[str, Any], expected: tuple[str, Any, Any]
) -> None:
    assert changed(job, **options) == [expected]


def test_another_pipeline_is_another_job() -> None:
    job = JobOptions(input_dir="in", output_dir=Path("out"))
    assert differences(identity_of("A", prepared(), job), identity_of("B", prepared(), job)) == [("pipeline", "A", "B")]


def test_the_order_in_which_kinds_are_named_does_not_matter() -> None:
    assert identity({"saves": ("txt", "json")}) == identity({"saves": ("json", "txt")})


def test_a_link_to_the_input_folder_is_the_input_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    folders = [identity({"input_dir": str(tmp_path / name)}) for name in ("in", "link")]
    assert folders[0] == folders[1]


def test_another_folder_is_a_difference_of_its_own(tmp_path: Path) -> None:
    found = differences(
        identity({"input_dir": str(tmp_path / "a\udcff")}), identity({"input_dir": str(tmp_path / "b")})
    )
    assert found == [("input", f"{tmp_path}/a\\udcff", f"{tmp_path}/b")]


def test_where_a_network_lies_does_not_matter_what_it_contains_does() -> None:
    @dataclasses.dataclass(frozen=True)
    class Plan:
        folder: str
        sha256: str

        def to_plain(self) -> dict[str, Any]:
            return {"networks": [{"folder": self.folder, "sha256": self.sha256}], "shape": (3, 4)}

        def default_settings(self) -> dict[str, Any]:
            return {}

    job = JobOptions(input_dir="in", output_dir=Path("out"))
    one, moved, other = (
        identity_of("Echo", dataclasses.replace(prepared(), plan=Plan(*made)), job)
        for made in (("/a", "1"), ("/b", "1"), ("/a", "2"))
    )
    assert differences(one, moved) == []
    assert [name for name, *_ in differences(one, other)] == ["networks"]
    assert json.loads(json.dumps(one)) == one


def test_an_option_of_a_pipeline_does_not_hide_one_of_the_job() -> None:
    before = {"save": ["json"], "input": "/a", "plan": {"save": True, "input": "x"}}
    assert differences(before, {**before, "save": ["txt"]}) == [("save", ["json"], ["txt"])]
    assert differences(before, {**before, "plan": {"save": True, "input": "y"}}) == [("plan.input", "x", "y")]
    assert differences(before, {**before, "input": "/b"}) == [("input", "/a", "/b")]
