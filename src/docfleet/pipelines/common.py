"""Options that every pipeline takes: where it runs, with which engine, and what happens to pages that fail."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from docfleet.errors import UsageError
from docfleet.pipelines.options import option

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """Keyword arguments common to all pipelines; names and meanings as in PaddleOCR where it has them."""

    device: str | None = option(help="where to run: cpu, gpu, gpu:0, ...; auto takes a GPU if there is one (default)")
    engine: str | None = option(
        help="openvino, onnxruntime or auto (default): openvino on x86 CPUs, onnxruntime elsewhere"
    )
    precision: str | None = option(
        help="number format of the networks; auto (default) takes bf16 where the CPU has it natively, else fp32",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    cpu_threads: int | None = option(help="threads of each instance (default: all cores it may use)", minimum=1)
    batch_size: int | None = option(help="pages processed together (default 1)", minimum=1)
    on_error: str | None = option(
        help="pages that fail: raise (default) delivers all good pages, then raises; return delivers failures in place",
        choices=("raise", "return"),
        cli=False,
    )
    use_tensorrt: bool | None = option(help="run through ONNX Runtime's TensorRT provider (GPUs only)")
    enable_hpi: bool | None = option(help="accepted for compatibility, has no effect")
    enable_mkldnn: bool | None = option(help="accepted for compatibility, has no effect")
    mkldnn_cache_capacity: int | None = option(help="accepted for compatibility, has no effect")
    enable_cinn: bool | None = option(help="accepted for compatibility, has no effect")
    paddlex_config: str | None = option(help="not supported: give the options themselves", cli=False)

    def check(self) -> None:
        """Refuse what cannot be had and say once what has no effect.

        Raises UsageError for `paddlex_config`.
        """
        if self.paddlex_config is not None:
            raise UsageError(
                "paddlex_config is not supported: pass its settings as options, for example "
                "text_det_limit_side_len=960 or text_recognition_model_dir='...'"
            )
        idle = [name for name in _NO_EFFECT if getattr(self, name) is not None]
        if idle:
            log.warning("%s: accepted for compatibility with PaddleOCR, no effect here", ", ".join(idle))


_NO_EFFECT = ("enable_hpi", "enable_mkldnn", "mkldnn_cache_capacity", "enable_cinn")
