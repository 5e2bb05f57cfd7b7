"""A copy of an ONNX model that computes as bf16 hardware does, for CPUs that have none.

    python benchmarks/round_to_bf16.py MODEL_FOLDER TARGET_FOLDER

What a bf16 CPU does to a network: weights and activations are stored in bf16 (8 bits of mantissa), products are added
up in fp32. The copy says the same in fp32: the inputs, weights and outputs of every convolution and matrix product
pass through Cast(bfloat16) and back. It is slower than the original and is only good for measuring accuracy; run it
with ONNX Runtime, which keeps the casts. Needs the `onnx` package.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper, version_converter

ROUNDED = {"Conv", "ConvTranspose", "MatMul", "Gemm"}
BFLOAT16_SINCE = 13
"""The first version of the operators whose Cast knows bfloat16."""


def rounded(model: onnx.ModelProto) -> int:
    """Insert the casts in place; returns how many operators they surround."""
    nodes: list[onnx.NodeProto] = []
    seen: dict[str, str] = {}
    count = 0

    def through(name: str, target: str) -> list[onnx.NodeProto]:
        return [
            helper.make_node("Cast", [name], [f"{target}/bf16"], to=TensorProto.BFLOAT16),
            helper.make_node("Cast", [f"{target}/bf16"], [target], to=TensorProto.FLOAT),
        ]

    for node in model.graph.node:
        if node.op_type not in ROUNDED:
            nodes.append(node)
            continue
        count += 1
        for index, name in enumerate(node.input):
            if not name or (index == 2 and node.op_type in {"Conv", "ConvTranspose", "Gemm"}):
                continue  # a bias is added in fp32
            if name not in seen:
                seen[name] = f"{name}/rounded"
                nodes += through(name, seen[name])
            node.input[index] = seen[name]
        output, node.output[0] = node.output[0], f"{node.output[0]}/exact"
        nodes.append(node)
        nodes += through(node.output[0], output)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return count


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder with inference.onnx and inference.yml")
    parser.add_argument("target", type=Path, help="folder to write")
    args = parser.parse_args()
    model = onnx.load(str(args.model / "inference.onnx"))
    if next(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")) < BFLOAT16_SINCE:
        model = version_converter.convert_version(model, BFLOAT16_SINCE)
    count = rounded(model)
    args.target.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(args.target / "inference.onnx"))
    shutil.copyfile(args.model / "inference.yml", args.target / "inference.yml")
    print(f"{args.target}: {count} operators rounded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
