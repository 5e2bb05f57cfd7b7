"""Stands in for PaddleOCR 3: the surface that docfleet uses, and the defects that it has to contain; no networks.

What happens to a page is written in its first pixel, blue channel (`MOODS`); a page of any other value is read as its
size and its colour. Everything a process does with the package is appended to the file that STANDIN_LOG names.
"""

import json
import logging
import os
import time
from pathlib import Path

import numpy as np
from paddlex.utils.fonts import SIMFANG_FONT

MOODS = {
    "raises": 1,
    "aborts": 2,
    "is refused": 3,
    "gives nothing": 4,
    "needs memory": 5,
    "takes time": 6,
    "cannot be drawn": 7,
}


def _log(**what):
    if "STANDIN_LOG" in os.environ:
        with Path(os.environ["STANDIN_LOG"]).open("a") as file:
            file.write(json.dumps({"pid": os.getpid(), **what}) + "\n")


if os.environ.get("STANDIN_BROKEN"):
    raise ImportError("libGL.so.1: cannot open shared object file")
_log(did="import")
print("a banner on standard output")
np.set_printoptions(threshold=1, edgeitems=1)
logger = logging.getLogger("paddleocr")
logger.addHandler(logging.StreamHandler())
logger.propagate = False
logging.getLogger("paddlex").addHandler(logging.StreamHandler())
logging.getLogger("paddlex").propagate = False


def str2bool(text):
    return text.lower() in ("true", "yes", "t", "y", "1")


class Result(dict):
    """A result: a dict that knows its JSON and can save itself."""

    def __init__(self, data):
        super().__init__(data)
        np.set_printoptions(threshold=1, edgeitems=1)

    @property
    def json(self):
        return {"res": _plain({key: self[key] for key in self if key not in ("doc_preprocessor_res", "vis_fonts")})}

    def _stem(self):
        if self["input_path"] is None:
            return f"{int(time.time())}"
        page = "" if self["page_index"] is None else f"_{self['page_index']}"
        return Path(self["input_path"]).stem + page

    def _suffix(self):
        return Path(self["input_path"] or "").suffix or ".png"

    def save_to_json(self, save_path):
        text = json.dumps(self.json["res"], indent=4, ensure_ascii=False)
        Path(save_path, f"{self._stem()}_res.json").write_text(text)


class Drawn(Result):
    def save_to_img(self, save_path):
        if self["doc_preprocessor_res"]["output_img"][0, 0, 0] == MOODS["cannot be drawn"]:
            raise OSError("no font, no network")
        Path(save_path, f"{self._stem()}_ocr_res_img{self._suffix()}").write_bytes(b"a drawing")


class Block:
    """What a page's layout is made of: an object, not a dict."""

    def __init__(self, content, image):
        self.label = "text"
        self.content = content
        self.bbox = [0, 0, 4, 4]
        self.image = image
        self.self = self
        self._hidden = 1


class Laid(Drawn):
    @property
    def json(self):
        page = {"input_path": self["input_path"], "page_index": self["page_index"], "page_count": self["page_count"]}
        blocks = [{"block_label": each.label, "block_content": each.content} for each in self["blocks"]]
        return {"res": {**page, "parsing_res_list": blocks}}

    @property
    def markdown(self):
        from PIL import Image

        picture = Image.fromarray(np.full((2, 2, 3), 7, np.uint8))
        return {"markdown_texts": self["blocks"][0].content, "markdown_images": {"imgs/at_0_0.jpg": picture}}

    def _pictures(self, save_path):
        folder = Path(save_path, "imgs")
        folder.mkdir()
        (folder / "at_0_0.jpg").write_bytes(b"a picture")
        return folder / "at_0_0.jpg"

    def save_to_markdown(self, save_path, pretty=True):
        self._pictures(save_path)
        Path(save_path, f"{self._stem()}.md").write_text(f'{self["blocks"][0].content} <img src="imgs/at_0_0.jpg">')

    def save_to_latex(self, save_path):
        picture = self._pictures(save_path)
        Path(save_path, f"{self._stem()}.tex").write_text(rf"\includegraphics{{{picture.resolve()}}}")

    def save_to_html(self, save_path):
        for number in (1, 2):
            Path(save_path, f"{self._stem()}_table_{number}.html").write_text("<table></table>")


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


class _Command:
    def __init__(self, name, flags):
        self.subparser_name = name
        self._flags = flags

    def add_subparser(self, subparsers):
        parser = subparsers.add_parser(self.subparser_name)
        flags = {"input": str, "save_path": str, **self._flags, "device": str, "enable_hpi": str2bool}
        for flag, kind in flags.items():
            parser.add_argument(f"--{flag}", type=kind, help=f"what {flag} does")
        parser.add_argument("--engine", choices=["paddle", "onnxruntime"])
        parser.add_argument("--input_shape", type=int, nargs=3)
        return parser


class Base:
    """What the constructors have in common: unknown names are refused, others passed on."""

    command = ""
    flags = {}

    def __init__(self, *, paddlex_config=None, **common):
        known = ("device", "engine", "engine_config", "enable_hpi", "cpu_threads", "input_shape", "lang", "old_thresh")
        for name in common:
            if name not in known:
                raise ValueError(f"Unknown argument: {name}")
        _log(
            did="make",
            name=type(self).__name__,
            options=common,
            variables={key: value for key, value in os.environ.items() if key.startswith(("PADDLE", "OMP"))},
        )
        if common.get("lang") == "none":
            try:
                raise KeyError("no such language")
            except KeyError as error:
                raise RuntimeError("A dependency error occurred") from error
        logging.getLogger("paddlex").warning("made a %s", type(self).__name__)

    @classmethod
    def get_cli_subcommand_executor(cls):
        return _Command(cls.command, cls.flags)

    def close(self):
        _log(did="close")

    def _pages(self, given):
        """Decode like the package: the first that cannot be read ends the run."""
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, str):
                import cv2

                page = cv2.imread(each)
                if page is None:
                    raise Exception(f"Image read Error: {each}")
                yield each, page
            else:
                yield None, each

    def _each(self, given, settings):
        pages = list(self._pages(given))
        _log(did="predict", pages=len(pages), settings=settings)
        for path, page in pages:
            mood = page[0, 0, 0]
            if mood == MOODS["raises"]:
                raise ValueError("this page is bad")
            if mood == MOODS["aborts"]:
                os.abort()
            if mood == MOODS["is refused"]:
                yield None, {"error": "the models are not initialized"}
                raise AttributeError("'NoneType' has no attribute 'predict'")
            if mood == MOODS["gives nothing"]:
                continue
            if mood == MOODS["needs memory"] and len(pages) > 1:
                raise RuntimeError("Failed to allocate memory for requested buffer of size 123")
            if mood == MOODS["takes time"]:
                time.sleep(0.5)
            page[-1, -1] = 255  # It paints on what it is given.
            yield path, page


def _text(page):
    height, width = page.shape[:2]
    return f"{width} x {height}, {page[0, 0].tolist()}"


class PaddleOCR(Base):
    command = "ocr"
    flags = {
        "text_det_thresh": float,
        "use_doc_unwarping": str2bool,
        "lang": str,
        "rec_batch_size": str,
        "old_thresh": float,
    }

    def __init__(
        self, text_det_thresh=None, use_doc_unwarping=None, rec_batch_size=None, text_model_dir=None, **kwargs
    ):
        _log(did="init", batch=rec_batch_size, thresh=text_det_thresh)
        super().__init__(**kwargs)

    def predict_iter(self, input, *, text_det_thresh=None, only_here=False, layout_det_res=None, **kwargs):
        for path, page in self._each(input, {"text_det_thresh": text_det_thresh, "only_here": only_here}):
            if isinstance(page, dict):
                yield page
                continue
            yield Drawn(
                {
                    "input_path": path,
                    "page_index": None,
                    "rec_texts": [_text(page)],
                    "rec_scores": [np.float32(0.1)],
                    "rec_boxes": np.array([[0, 0, 4, 4]], np.int16),
                    "not_a_number": float("nan"),
                    "doc_preprocessor_res": Result({"output_img": page, "input_path": None}),
                    "vis_fonts": [SIMFANG_FONT],
                }
            )

    def predict(self, input, **settings):
        return list(self.predict_iter(input, **settings))


class PPStructureV3(Base):
    command = "pp_structurev3"

    def predict_iter(self, input, *, use_tables=None, **kwargs):
        from PIL import Image

        for path, page in self._each(input, {}):
            picture = Image.fromarray(np.ascontiguousarray(page[:2, :2, ::-1]))
            yield Laid(
                {
                    "input_path": path,
                    "page_index": None,
                    "page_count": None,
                    "blocks": [Block(_text(page), picture)],
                    "doc_preprocessor_res": {"output_img": page},
                }
            )


class PPChatOCRv4Doc(Base):
    command = "pp_chatocrv4_doc"
    flags = {"keys": str}

    def visual_predict_iter(self, input, *, use_tables=None, **kwargs):
        for path, page in self._each(input, {}):
            laid = Laid(
                {
                    "input_path": path,
                    "page_index": None,
                    "page_count": None,
                    "blocks": [Block(_text(page), None)],
                    "doc_preprocessor_res": {"output_img": page},
                }
            )
            yield {"layout_parsing_result": laid, "visual_info": {"normal_text_dict": {"text": _text(page)}}}


class DocUnderstanding(Base):
    command = "doc_understanding"

    def predict_iter(self, input, **kwargs):
        assert all(isinstance(each, dict) for each in input)
        for each in input:
            known = {"input_path": each["image"]} if isinstance(each["image"], str) else {}
            image = each["image"] if isinstance(each["image"], str) else f"colour {each['image'][0, 0].tolist()}"
            yield Result({**each, **known, "result": f"{each['query']} of {image}, {kwargs}"})


class TextDetection(Base):
    """A single network: its calls declare nothing."""

    command = "text_detection"

    def __init__(self, thresh=None, **kwargs):
        super().__init__(**kwargs)

    def predict_iter(self, *args, **kwargs):
        for path, page in self._each(args[0], kwargs):
            place = {"input_path": path, "page_index": None}
            yield Drawn({**place, "dt_scores": [0.5], "doc_preprocessor_res": {"output_img": page}})


class Client:
    """Not a pipeline."""


__all__ = ["Client", "DocUnderstanding", "PPChatOCRv4Doc", "PPStructureV3", "PaddleOCR", "TextDetection", "logger"]
