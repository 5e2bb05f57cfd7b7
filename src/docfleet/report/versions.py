"""Versions of everything that a result may depend on, as they are installed here."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from docfleet import __version__

_PACKAGES = (
    "openvino",
    "onnxruntime-gpu",
    "onnxruntime",
    "opencv-python-headless",
    "opencv-python",
    "pillow",
    "pypdfium2",
    "pyclipper",
    "numpy",
)


def versions() -> dict[str, str]:
    """`docfleet`, `python` and the libraries that pages go through; those not installed are left out."""
    found = {"docfleet": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
