"""Options that every pipeline takes: where it runs, with which engine, and what happens to pages that fail."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from docfleet.errors import UsageError
from docfleet.pipelines.options import option

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """Keyword arguments common to all pipelines; names and meanings as in PaddleOCR where it has them."""

    device: str | None = option(
        help="where to run: cpu, gpu, gpu:0,1,2,3, cpu:0,1 (NUMA nodes), ... or auto (default): all GPUs, else the CPU"
    )
    instances_per_device: int | None = option(
        help="pipeline instances on each device (default 1), each in a process of its own", minimum=1
    )
    engine: str | None = option(
        help="openvino, onnxruntime or auto (default): openvino on x86 CPUs, onnxruntime elsewhere"
    )
    precision: str | None = option(
        help="number format of the networks; auto (default) takes bf16 where the CPU has it natively, else fp32",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    cpu_threads: int | None = option(help="threads of each instance (default: its share of the cores)", minimum=1)
    batch_size: int | None = option(help="most pages that an instance processes together (default 1)", minimum=1)
    executor: str | None = option(
        help="processes: a worker process for each instance; serial: one instance, in the calling thread; auto:"
        " serial for one instance without timeout and memory_limit, and always processes in commands (default)",
        choices=("auto", "serial", "processes"),
    )
    ordered: bool | None = option(help="deliver pages in the order of the input (default), or as they are done")
    timeout: float | None = option(help="seconds a page may take before its worker is killed (default: no limit)")
    memory_limit: int | None = option(
        help="bytes of memory past which an instance is replaced (default: no limit)", minimum=1
    )
    max_attempts: int | None = option(
        help="deaths of its worker, alone in it, after which a page has failed (default 3)", minimum=1
    )
    on_error: str | None = option(
        help="pages that fail: raise (default) delivers all good pages, then raises; return delivers failures in place",
        choices=("raise", "return"),
        cli=False,
    )
    pdf_dpi: float | None = option(help="pixels per inch at which PDF pages are drawn (default 144)", minimum=1)
    max_page_pixels: int | None = option(
        help="width times height over which a page is refused, or a PDF page drawn smaller (default 178956970)",
        minimum=1,
    )
    max_document_pages: int | None = option(help="pages over which a document is refused (default 100000)", minimum=1)
    max_file_bytes: int | None = option(help="size over which a file is refused (default 2 GiB)", minimum=1)
    max_decode_bytes: int | None = option(
        help="memory over which a page is refused while it is decoded (default 900000000)", minimum=1
    )
    max_decode_seconds: float | None = option(
        help="CPU seconds over which a page is refused while it is decoded (default 10)", minimum=1
    )
    pdf_password: str | None = option(help="password of PDFs that want one", secret=True)
    allow_private_urls: bool | None = option(
        help="fetch from private networks too where URLs come in a list, or through redirects (default False)"
    )
    max_url_bytes: int | None = option(help="size over which a download is refused (default 256 MiB)", minimum=1)
    max_url_seconds: float | None = option(help="time over which a download is given up (default 60)", minimum=1)
    max_url_redirects: int | None = option(help="redirects that a URL may make (default 5)", minimum=0)
    use_tensorrt: bool | None = option(help="run through ONNX Runtime's TensorRT provider (GPUs only)")
    enable_hpi: bool | None = option(help="accepted for compatibility, has no effect")
    enable_mkldnn: bool | None = option(help="accepted for compatibility, has no effect")
    mkldnn_cache_capacity: int | None = option(help="accepted for compatibility, has no effect")
    enable_cinn: bool | None = option(help="accepted for compatibility, has no effect")
    paddlex_config: Any = option(help="not supported: give the options themselves", cli=False)

    def obstacle(self, device_type: str) -> str | None:
        """Why a device type that is there cannot be used with these options, for a person; None if it can.

        Asked for `auto` alone: a plain installation on a machine that happens to have a GPU works.
        """
        from docfleet.engines.onnxruntime import provides

        if provides(device_type):
            return None
        return (
            "the installed ONNX Runtime cannot use them: running on the CPU. For GPUs, replace the package onnxruntime "
            "by onnxruntime-gpu"
        )

    def check(self) -> None:
        """Refuse what cannot be had and say once what has no effect.

        Raises UsageError for `paddlex_config`, and for `use_tensorrt` beside an engine that is not ONNX Runtime.
        """
        if self.use_tensorrt and self.engine not in (None, "auto", "onnxruntime"):
            raise UsageError(f"use_tensorrt is ONNX Runtime's TensorRT provider; it cannot run engine {self.engine!r}")
        if self.paddlex_config is not None:
            raise UsageError(
                "paddlex_config is not supported: pass its settings as options, for example "
                "text_det_limit_side_len=960 or text_recognition_model_dir='...'; PaddleOCR's own pipelines take it, "
                "by provider='paddleocr'"
            )
        idle = [name for name in _NO_EFFECT if getattr(self, name) is not None]
        if idle:
            log.warning("%s: accepted for compatibility with PaddleOCR, no effect here", ", ".join(idle))


_NO_EFFECT = ("enable_hpi", "enable_mkldnn", "mkldnn_cache_capacity", "enable_cinn")
