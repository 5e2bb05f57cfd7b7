"""Versions are those that are installed."""

from __future__ import annotations

import platform

import numpy

from docfleet import __version__
from docfleet.report.versions import versions


def test_versions_are_those_of_the_modules() -> None:
    found = versions()
    assert found["docfleet"] == __version__
    assert found["python"] == platform.python_version()
    assert found["numpy"] == numpy.__version__
    assert "onnxruntime" in found or "onnxruntime-gpu" in found
