"""Drawings of results, laid out as the reference's, at the size of the page.

      preprocessed_img    original | turned | flattened, a caption under each
      ocr_res_img         the page under coloured quads | white ground with the same quads and the text in them

A drawing is for looking at: one that would be larger than what image files and viewers take is drawn smaller.
"""

from __future__ import annotations

import colorsys
import math
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from docfleet.results.fonts import Fonts
from docfleet.results.images import picture_of

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Pixels = NDArray[np.uint8]

_MOST_PIXELS = 60_000_000
_LONGEST_SIDE = 16_000
"""Within what WebP takes, the format with the lowest limit."""
_CAPTION = 0.022
"""Height of captions, of the drawing's; the reference's 25 pixels are the least."""
_LEAST_CAPTION = 25
_GROUND, _RULE = 238, 200
"""Gray beside pages that are lower than the highest, and of the lines between pages."""
_TINT = 0.5
"""How much of the quads' colour covers the page."""
_FILL = 0.85
"""Size of letters, of the height of their line."""
_SMALLEST_TEXT = 4
"""Size in pixels below which text is a smear, and left out."""


def panels(pages: Sequence[tuple[Pixels, str]], fonts: Fonts) -> Picture:
    """Pages (BGR) side by side, each with its caption below."""
    from PIL import Image, ImageDraw

    scale = _scale(sum(page.shape[1] for page, _ in pages), max(page.shape[0] for page, _ in pages))
    shown = [(picture_of(_scaled(page, scale)), caption) for page, caption in pages]
    height = max(picture.height for picture, _ in shown)
    strip = max(_LEAST_CAPTION, round(height * _CAPTION))
    width = sum(picture.width for picture, _ in shown)
    drawing = Image.new("RGB", (width, height + strip), (_GROUND, _GROUND, _GROUND))
    drawing.paste("white", (0, height, width, height + strip))
    pencil = ImageDraw.Draw(drawing)
    left = 0
    for picture, caption in shown:
        drawing.paste(picture, (left, 0))
        label = _line_of_text(caption, (picture.width - strip // 2, strip), fonts)
        drawing.paste(label, (left + strip // 4, height))
        left += picture.width
        if left < drawing.width:
            pencil.line([(left, 0), (left, drawing.height)], (_RULE, _RULE, _RULE))
    return drawing


def lines_of_text(page: Pixels, quads: Sequence[Any], texts: Sequence[str], fonts: Fonts) -> Picture:
    """A page (BGR) under the quads of its lines or words, (n, 2) points each, and their texts beside it."""
    import cv2
    from PIL import Image

    scale = _scale(2 * page.shape[1], page.shape[0])
    page = _scaled(page, scale)
    tinted, written = page.copy(), np.full_like(page, 255)
    for number, (quad, text) in enumerate(zip(quads, texts, strict=True)):
        corners = np.asarray(quad, np.float32) * scale
        outline = np.rint(corners).astype(np.int32)
        colour = _colour(number)
        cv2.fillPoly(tinted, [outline], colour)
        if len(corners) == 4:
            _write(written, corners, text, fonts)
        cv2.polylines(written, [outline], isClosed=True, color=colour)
    tinted = np.asarray(cv2.addWeighted(tinted, _TINT, page, 1 - _TINT, 0), np.uint8)
    drawing = Image.new("RGB", (2 * page.shape[1], page.shape[0]), "white")
    drawing.paste(picture_of(tinted), (0, 0))
    drawing.paste(picture_of(written), (page.shape[1], 0))
    return drawing


def _write(ground: Pixels, corners: NDArray[np.float32], text: str, fonts: Fonts) -> None:
    """Draw text into a quad (4, 2), top left first, in place: along its longer way, darkening what is there."""
    import cv2

    width = int(np.linalg.norm(corners[0] - corners[1]))
    height = int(np.linalg.norm(corners[0] - corners[3]))
    if not text or min(width, height) < _SMALLEST_TEXT:
        return
    if height < 2 * width or len(text) < 2:
        label = _line_of_text(text, (width, height), fonts)
    elif _is_upright_in_columns(text):
        label = _column_of_text(text, (width, height), fonts)
    else:
        # As it is read: the recogniser turns a tall crop counter-clockwise first.
        label = _line_of_text(text, (height, width), fonts).rotate(-90, expand=True)
    low = np.floor(corners.min(axis=0)).astype(int).clip(0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, ground.shape[1::-1])
    if (high <= low).any():
        return
    place = ground[low[1] : high[1], low[0] : high[0]]
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    warp = cv2.getPerspectiveTransform(flat, corners - low.astype(np.float32))
    drawn = cv2.warpPerspective(
        np.asarray(label.convert("L")), warp, place.shape[1::-1], borderMode=cv2.BORDER_CONSTANT, borderValue=255
    )
    np.minimum(place, drawn[:, :, None], out=place)


def _line_of_text(text: str, size: tuple[int, int], fonts: Fonts) -> Picture:
    """Black text on a white ground of `size` (width, height), as large as fits, in the middle of the height."""
    from PIL import Image, ImageDraw

    width, height = max(size[0], 1), max(size[1], 1)
    label = Image.new("RGB", (width, height), "white")
    runs = fonts.runs(text)
    points = max(int(height * _FILL), 1)
    length = sum(face.at(points).getlength(part) for face, part in runs)
    if length > width:
        points = int(points * width / length)
    if points < _SMALLEST_TEXT:
        return label
    pencil = ImageDraw.Draw(label)
    x = 0.0
    for face, part in runs:
        font = face.at(points)
        pencil.text((x, height / 2), part, "black", font, anchor="lm")
        x += font.getlength(part)
    return label


def _column_of_text(text: str, size: tuple[int, int], fonts: Fonts) -> Picture:
    """Black characters one below the other on a white ground of `size` (width, height)."""
    from PIL import Image

    width, height = max(size[0], 1), max(size[1], 1)
    label = Image.new("RGB", (width, height), "white")
    pitch = height / len(text)
    side = max(min(width, int(pitch * 1.2)), 1)
    for number, character in enumerate(text):
        sign = _line_of_text(character, (side, side), fonts)
        label.paste(sign, ((width - side) // 2, round(number * pitch)))
    return label


def _is_upright_in_columns(text: str) -> bool:
    """Whether text that runs down a page is written so: Chinese and Japanese are, Latin letters lie on their side."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return 2 * wide > len(text)


def _colour(number: int) -> tuple[int, int, int]:
    """Blue, green, red of the quad of that number: neighbours in reading order are told apart."""
    golden = number * (math.sqrt(5) - 1) / 2 % 1
    red, green, blue = colorsys.hsv_to_rgb(golden, 0.75, 0.85)
    return round(blue * 255), round(green * 255), round(red * 255)


def _scale(width: int, height: int) -> float:
    return min(1.0, math.sqrt(_MOST_PIXELS / (width * height)), _LONGEST_SIDE / max(width, height))


def _scaled(page: Pixels, scale: float) -> Pixels:
    import cv2

    if scale == 1:
        return np.ascontiguousarray(page)
    size = max(int(page.shape[1] * scale), 1), max(int(page.shape[0] * scale), 1)
    return np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA), np.uint8)
