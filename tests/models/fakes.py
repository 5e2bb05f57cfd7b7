"""A network that is a function, and a model folder that is a mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class FakeSession:
    """Runs `network(batch) -> output`, and remembers the batches' shapes."""

    network: Callable[[np.ndarray], np.ndarray]
    batch_invariant: bool = True
    preferred_batch: int = 8
    input_names: tuple[str, ...] = ("x",)
    input_shapes: tuple[tuple[int | None, ...], ...] = ((None, 3, None, None),)
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        (batch,) = inputs
        assert batch.dtype == np.float32
        self.shapes.append(batch.shape)
        return [self.network(batch)]

    def close(self) -> None: ...


@dataclass(frozen=True)
class FakeFolder:
    config: Mapping[str, Any]
    name: str = "some_model"
    onnx: Path = Path("some_model/inference.onnx")
    sha256: str = ""


def folder(ops: list[dict[str, Any]], post: dict[str, Any], name: str = "some_model") -> FakeFolder:
    return FakeFolder({"PreProcess": {"transform_ops": ops}, "PostProcess": post}, name)
