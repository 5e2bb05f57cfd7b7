"""The options of one class of the package: the fleet's own, and those that the class was found to take.

      PackageClass (names, types of flags) --options_of-->  SealRecognitionOptions(PackageOptions): a frozen dataclass
                                                            --> keyword arguments, flags, help, as for our own pipelines

Values are the package's business: names are checked here, what they may be is not. What only its calls take may be
given too, and then holds for every call.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import importlib.util
import os
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from docfleet.errors import UsageError
from docfleet.integrations.paddleocr.description import ASKED, PackageClass, Parameter
from docfleet.integrations.paddleocr.files import KINDS
from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.options import option

_SHARED = ("engine", "engine_config", "precision", "use_tensorrt", "enable_hpi", "enable_mkldnn",
           "mkldnn_cache_capacity", "enable_cinn", "paddlex_config")  # fmt: skip
"""What every class of the package takes: declared below, passed on as it is."""
_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str, "any": object}
_NOT_HERE = ("layout_det_res", "overall_ocr_res")
"""Results of other calls, one for each page of a list: which page is which is not known before it is read."""


@dataclass(frozen=True, kw_only=True)
class PackageOptions(CommonOptions):
    """Where the package's pipelines run and how; a subclass for each class adds what that class takes."""

    package_class: ClassVar[PackageClass]

    engine: str | None = option(
        help="the package's engine: paddle, paddle_static, paddle_dynamic, transformers or onnxruntime (default: the"
        " package's own choice where Paddle is installed, else onnxruntime)"
    )
    engine_config: Any = option(help="settings of that engine, as JSON", flag=object)
    precision: str | None = option(help="number format under TensorRT: fp32 or fp16", choices=("fp32", "fp16"))
    batch_size: int | None = option(
        1, help="most pages handed to the package together (default 1: it may read a page otherwise beside others)",
        minimum=1,
    )  # fmt: skip
    executor: str | None = option(
        "processes", help="always a worker process for each instance", choices=("auto", "processes"), cli=False
    )
    use_tensorrt: bool | None = option(help="Paddle's TensorRT (GPUs only)")
    enable_hpi: bool | None = option(help="the package's high-performance inference")
    enable_mkldnn: bool | None = option(help="Paddle's oneDNN on CPUs (default True)")
    mkldnn_cache_capacity: int | None = option(help="shapes that oneDNN remembers (default 10)")
    enable_cinn: bool | None = option(help="Paddle's CINN compiler")
    paddlex_config: Any = option(help="a PaddleX pipeline file to start from", flag=str)
    query: str | None = option(help="what is asked of each page (classes that answer questions)")
    artefacts: Any = option(
        help="kinds of files that each result brings along, to be saved by its save_to_<kind>: img, markdown, ...",
        cli=False,
    )

    def __post_init__(self) -> None:
        # The package stays out of the caller's process, whatever one instance might do with ours.
        object.__setattr__(self, "executor", "processes")
        object.__setattr__(self, "batch_size", self.batch_size or 1)
        kinds = (self.artefacts,) if isinstance(self.artefacts, str) else tuple(self.artefacts or ())
        object.__setattr__(self, "artefacts", kinds)

    def check(self) -> None:
        """Refuse what no class of the package could do behind the fleet. Raises UsageError."""
        engines = next((each.choices for each in self.package_class.constructor if each.name == "engine"), None)
        if engines is not None and self.engine not in (None, "auto", *engines):
            raise UsageError(f"engine is one of auto, {', '.join(engines)}, not {self.engine!r}")
        for kind in self.artefacts:
            if kind not in KINDS:
                raise UsageError(f"artefacts names {kind!r}: there is {', '.join(KINDS)}")
        if self.query is not None and self.package_class.name not in ASKED:
            raise UsageError(f"query: {self.package_class.name} reads pages and answers no questions")

    def obstacle(self, device_type: str) -> str | None:
        """As far as it shows without importing anything: what computes must have been installed for such devices."""
        engine = self.resolved_engine
        if engine == "onnxruntime":
            return super().obstacle(device_type)
        if engine == "transformers" or device_type != "gpu" or _is_there("paddlepaddle-gpu"):
            return None
        return "the installed Paddle cannot use them: running on the CPU. For GPUs, install paddlepaddle-gpu"

    @property
    def resolved_engine(self) -> str | None:
        """The engine to name to the package; None leaves it to the package."""
        if self.engine not in (None, "auto"):
            return self.engine
        if self.paddlex_config is not None or importlib.util.find_spec("paddle") is not None:
            return None
        # Without Paddle the package's own choice would be an error. ONNX Runtime comes with docfleet.
        return "onnxruntime"

    def constructor_arguments(self) -> dict[str, Any]:
        """What the class is made with, beside its device: plain values, in the order of its declaration."""
        given = {name: getattr(self, name) for name in _SHARED} | {"engine": self.resolved_engine}
        given |= {each.name: getattr(self, each.name) for each in own_parameters(self.package_class.constructor)}
        return _given(given)

    def call_arguments(self) -> dict[str, Any]:
        """What is given of settings that only the calls take."""
        made_with = {each.name for each in self.package_class.constructor}
        settings = own_parameters(self.package_class.settings)
        return _given({each.name: getattr(self, each.name) for each in settings if each.name not in made_with})


def own_parameters(parameters: tuple[Parameter, ...]) -> list[Parameter]:
    """Those that are not the fleet's, and can be given at all."""
    taken = {field.name for field in dataclasses.fields(PackageOptions)}
    return [each for each in parameters if each.name not in taken and each.name not in _NOT_HERE]


@functools.cache
def options_of(package_class: PackageClass) -> type[PackageOptions]:
    """The options of one class, as a dataclass."""
    parameters = {
        each.name: each
        for each in (*own_parameters(package_class.constructor), *own_parameters(package_class.settings))
    }
    fields = [(name, Any, _field(each)) for name, each in parameters.items()]
    made = dataclasses.make_dataclass(
        f"{package_class.name}Options",
        fields,
        bases=(PackageOptions,),
        namespace={"package_class": package_class, "__doc__": f"Options of the package's {package_class.name}."},
        frozen=True,
        kw_only=True,
    )
    return cast(type[PackageOptions], made)


def check_setting(package_class: PackageClass, name: str) -> None:
    """Raises UsageError for a setting that the calls of a class do not take."""
    if name in _NOT_HERE:
        raise UsageError(f"{name} belongs to the pages of one list, and here pages go to any instance: leave it out")
    if not package_class.open and name not in {each.name for each in package_class.settings}:
        known = ", ".join(each.name for each in own_parameters(package_class.settings))
        raise UsageError(f"Unknown argument: {name}; a call of {package_class.name} takes {known}")


def _field(parameter: Parameter) -> Any:
    return option(
        help=parameter.help or "see PaddleOCR's documentation",
        choices=parameter.choices,
        flag=_TYPES[parameter.flag],
    )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: os.fspath(value) if hasattr(value, "__fspath__") else value
        for name, value in values.items()
        if value is not None
    }


def _is_there(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
