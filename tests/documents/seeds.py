"""A small valid document of every kind and variety, for mutation."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tests.documents.makers import encoded, encrypted_pdf, page_pdf, picture, plain_tiff, stream, tiff

_RGB = Image.fromarray(picture(17, 13))
_GRAY, _BITS = _RGB.convert("L"), _RGB.convert("1")
_RGBA = Image.fromarray(np.dstack([picture(17, 13), picture(17, 13)[..., 0]]))
_MORE = [Image.new("RGB", (17, 13), "red"), _RGB.rotate(90)]
_EXIF = Image.Exif()
_EXIF[0x0112] = 6

SEEDS: dict[str, bytes] = {
    "bmp": encoded(_RGB, "BMP"),
    "bmp-palette": encoded(_RGB.quantize(8), "BMP"),
    "gif": encoded(_RGB.quantize(16), "GIF"),
    "gif-animated": encoded(_RGB, "GIF", save_all=True, append_images=_MORE),
    "jpeg": encoded(_RGB, "JPEG", exif=_EXIF),
    "jpeg-progressive": encoded(_RGB, "JPEG", progressive=True),
    "jpeg-cmyk": encoded(_RGB.convert("CMYK"), "JPEG"),
    "jp2": encoded(_RGB, "JPEG2000"),
    "j2k-tiles": encoded(_RGBA, "JPEG2000", no_jp2=True, tile_size=(8, 8)),
    "png": encoded(_RGB, "PNG", exif=_EXIF),
    "png-palette": encoded(_RGB.quantize(16), "PNG", transparency=0),
    "png-alpha": encoded(_RGBA, "PNG"),
    "png-16": encoded(_GRAY.convert("I;16"), "PNG"),
    "png-animated": encoded(_RGB, "PNG", save_all=True, append_images=_MORE),
    "pbm": encoded(_BITS, "PPM"),
    "ppm": encoded(_RGB, "PPM"),
    "pgm-text": b"P2 5 4 255\n" + b"17 " * 20,
    "webp": encoded(_RGB, "WEBP"),
    "webp-alpha": encoded(_RGBA, "WEBP", lossless=True, exif=_EXIF),
    "webp-animated": encoded(_RGB, "WEBP", save_all=True, append_images=_MORE),
    "tiff": tiff(plain_tiff(picture(17, 13)), plain_tiff(picture(9, 7)[..., 0], t254=1)),
    "tiff-float": tiff(plain_tiff(picture(17, 13)[..., 0].astype(np.float32))),
    "tiff-lzw": encoded(_RGB, "TIFF", compression="tiff_lzw", save_all=True, append_images=_MORE),
    "tiff-fax": encoded(_BITS, "TIFF", compression="group4"),
    "tiff-jpeg": encoded(_RGB.convert("YCbCr"), "TIFF", compression="jpeg"),
    "tiff-big": encoded(_GRAY.convert("I;16"), "TIFF", big_tiff=True, compression="tiff_adobe_deflate"),
    "pdf": page_pdf(
        b"BT /F 20 Tf 10 30 Td (Mill) Tj ET 1 0 0 rg 0 0 20 20 re f q 30 0 0 30 99 9 cm /I Do Q",
        resources=b"/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>/XObject<</I 5 0 R>>",
        more=[stream(encoded(_RGB, "JPEG"), b"/Subtype/Image/Width 17/Height 13/BitsPerComponent 8/ColorSpace/DeviceRGB"
                                            b"/Filter/DCTDecode")],
    ),
    "pdf-locked": encrypted_pdf("x"),
    "pdf-images": encoded(_RGB, "PDF", save_all=True, append_images=[_BITS, _GRAY]),
}  # fmt: skip
