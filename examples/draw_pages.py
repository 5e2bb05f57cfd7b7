"""Draws the example pages in `pages/` and writes what a person reads on them to `pages/expected/`.

    python examples/draw_pages.py            # writes next to this script
    python examples/draw_pages.py FOLDER

    en.png          an English report, A4 at 105 dpi
    zh.png          a Chinese notice, A4 at 105 dpi
    rotated.png     en.png turned clockwise by 90 degrees
    warped.jpg      en.png as a photo of a curled sheet: bent, seen at an angle, lit from the left
    two_pages.pdf   two pages of real text in Helvetica, A4

One line of an expected file is one drawn line. Fonts, from the Debian packages fonts-dejavu-core and fonts-noto-cjk:
DejaVu Serif, Sans Bold and Sans Mono, Noto Sans CJK. They are needed to draw the pages and by nothing else. The same
versions of fonts, Pillow and OpenCV give the same bytes. All texts were written for these pages.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

DPI = 105
A4_PIXELS = (round(8.27 * DPI), round(11.69 * DPI))
MARGIN = 92
INK, SOFT = 25, 110

DEJAVU = "/usr/share/fonts/truetype/dejavu/"
SERIF, SANS_BOLD, MONO = DEJAVU + "DejaVuSerif.ttf", DEJAVU + "DejaVuSans-Bold.ttf", DEJAVU + "DejaVuSansMono.ttf"
NOTO = "/usr/share/fonts/opentype/noto/"
CJK, CJK_BOLD = NOTO + "NotoSansCJK-Regular.ttc", NOTO + "NotoSansCJK-Bold.ttc"
SIMPLIFIED = 2
"""Index of the simplified Chinese face in Noto's font collections."""


@dataclass
class Sheet:
    """A white page that is written from top to bottom and remembers its lines."""

    image: Image.Image = field(default_factory=lambda: Image.new("L", A4_PIXELS, 252))
    y: int = MARGIN
    lines: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        return self.image.width - 2 * MARGIN

    def line(
        self, text: str, font: ImageFont.FreeTypeFont, *, indent: int = 0, right: str = "", centre: bool = False
    ) -> None:
        """One line; `right` stands at the right margin of the same line."""
        draw = ImageDraw.Draw(self.image)
        x = MARGIN + (int(self.width - font.getlength(text)) // 2 if centre else indent)
        draw.text((x, self.y), text, INK, font)
        if right:
            draw.text((MARGIN + self.width - font.getlength(right), self.y), right, INK, font)
        self.lines.append(f"{text} {right}".strip())
        self.y += round(font.size * 1.55)

    def paragraph(self, text: str, font: ImageFont.FreeTypeFont, *, indent: int = 0, bullet: str = "") -> None:
        """Lines filled word by word, or character by character where there are no spaces."""
        space = " " if " " in text else ""
        row = ""
        for word in text.split(" ") if space else text:
            longer = f"{row}{space}{word}" if row else word
            # A Chinese line does not begin with a full stop or a comma: those hang into the margin.
            if font.getlength(longer) > self.width - indent and word not in "，。、；：":
                self._row(row, font, indent, bullet)
                row, bullet = word, ""
            else:
                row = longer
        self._row(row, font, indent, bullet)
        self.gap(8)

    def _row(self, row: str, font: ImageFont.FreeTypeFont, indent: int, bullet: str) -> None:
        if bullet:
            ImageDraw.Draw(self.image).text((MARGIN, self.y), bullet, INK, font)
        self.line(row, font, indent=indent)
        if bullet:
            self.lines[-1] = f"{bullet} {self.lines[-1]}"

    def rule(self) -> None:
        self.gap(6)
        ImageDraw.Draw(self.image).line((MARGIN, self.y, MARGIN + self.width, self.y), SOFT, 1)
        self.gap(10)

    def gap(self, pixels: int) -> None:
        self.y += pixels


def font(path: str, size: int, index: int = 0) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, index=index, layout_engine=ImageFont.Layout.BASIC)


def english() -> Sheet:
    sheet = Sheet()
    title, head, text, mono = font(SANS_BOLD, 34), font(SANS_BOLD, 22), font(SERIF, 19), font(MONO, 18)
    sheet.line("Harbour Street Tool Library", title)
    sheet.line("Report for the second quarter", text)
    sheet.rule()
    sheet.paragraph(
        "The tool library lends drills, ladders and garden tools to everyone who lives between the old harbour and "
        "the railway bridge. Between April and June we lent 412 tools to 168 households. Nine tools came back "
        "damaged, and seven of those could be repaired in our own workshop.",
        text,
    )
    sheet.paragraph(
        "The new opening hours on Thursday evening were well received. Almost a third of all loans now take place "
        "between six and eight o'clock, and the queue on Saturday morning has become noticeably shorter.",
        text,
    )
    sheet.gap(8)
    sheet.line("What we plan next", head)
    sheet.gap(4)
    for number, item in enumerate(
        (
            "Buy two cordless drills and one long ladder.",
            "Offer a repair evening for bicycles every month.",
            "Label every shelf, so that tools return to their place.",
            "Look for three more volunteers for the summer holidays.",
        ),
        start=1,
    ):
        sheet.paragraph(item, text, indent=30, bullet=f"{number}.")
    sheet.gap(8)
    sheet.line("Income and expenses in euros", head)
    sheet.gap(4)
    for label, amount in (
        ("Membership fees", "1,840.00"),
        ("Donations", "365.50"),
        ("Spare parts", "-412.75"),
        ("Rent and electricity", "-960.00"),
    ):
        sheet.line(label, mono, right=amount)
    sheet.rule()
    sheet.line("Total", font(SANS_BOLD, 19), right="832.75")
    sheet.gap(30)
    sheet.paragraph(
        "Questions and offers of help are welcome at the counter, or by post to the address below. The next "
        "meeting of all members takes place on 14 September at seven o'clock.",
        text,
    )
    sheet.gap(16)
    sheet.line("Harbour Street 27, second courtyard", text)
    return sheet


def chinese() -> Sheet:
    sheet = Sheet()
    title, head, text = (font(path, size, SIMPLIFIED) for path, size in ((CJK_BOLD, 40), (CJK_BOLD, 25), (CJK, 23)))
    sheet.line("社区图书馆夏季开放通知", title, centre=True)
    sheet.gap(4)
    sheet.line("编号：第 12 号", text, right="2024 年 6 月 3 日")
    sheet.rule()
    sheet.paragraph(
        "为了方便居民在暑假期间阅读和学习，图书馆从七月一日起延长开放时间。一楼阅览室新增四十个座位，二楼儿童区每天下午安排志愿者讲故事。",
        text,
    )
    sheet.paragraph("请读者保持安静，爱护图书，不要把饮料带进书库。借书证遗失的，请及时到服务台补办。", text)
    sheet.gap(10)
    sheet.line("一、开放时间", head)
    sheet.gap(4)
    sheet.line("星期一至星期五", text, indent=40, right="9:00 - 20:30")
    sheet.line("星期六和星期日", text, indent=40, right="10:00 - 18:00")
    sheet.gap(12)
    sheet.line("二、借阅规则", head)
    sheet.gap(4)
    for number, item in enumerate(
        ("每张借书证最多可以借八本书。", "借期为三十天，可以续借一次。", "词典和报纸只能在馆内阅读。"), start=1
    ):
        sheet.paragraph(item, text, indent=40, bullet=f"{number}.")
    sheet.gap(12)
    sheet.line("三、本月新书统计", head)
    sheet.gap(4)
    for label, count in (("文学", "126 册"), ("历史", "58 册"), ("科学", "94 册"), ("儿童", "173 册")):
        sheet.line(label, text, indent=40, right=count)
    sheet.rule()
    sheet.line("合计", font(CJK_BOLD, 23, SIMPLIFIED), indent=40, right="451 册")
    sheet.gap(40)
    sheet.paragraph("欢迎大家提出意见和建议，联系电话写在服务台旁边的公告栏上。", text)
    sheet.gap(10)
    sheet.line("", text, right="社区图书馆管理办公室")
    return sheet


def photo_of_curled(sheet: np.ndarray) -> np.ndarray:
    """A photo of the sheet (height x width, uint8) lying curled on a table; height x width x 3, uint8, BGR."""
    height, width = sheet.shape
    out_h, out_w = round(height * 1.02), round(width * 1.14)
    v, u = np.mgrid[0:out_h, 0:out_w].astype(np.float32)
    u, v = u / out_w, v / out_h

    # Where on the flat sheet (0 to 1 in both directions) does this pixel look? A slight perspective first: the far
    # edge is narrower. Then the bend: columns rise and sink along a wave, closer together where the paper turns away.
    far = 0.88 + 0.12 * v
    across = (u - 0.5) / (0.9 * far) + 0.5
    lift = 0.022 * np.sin(2.2 * np.pi * across - 0.5) + 0.008 * np.sin(5.1 * across + 2.0 * v)
    across = across + 0.010 * np.sin(2 * np.pi * across)
    down = (v - 0.5) / 0.93 + 0.5 + lift * (0.6 + 0.6 * v)
    page = cv2.remap(sheet, across * (width - 1), down * (height - 1), cv2.INTER_CUBIC, borderValue=252)

    # Light falls from the left and grazes the wave: its slope decides how bright the paper is.
    slope = np.cos(2.2 * np.pi * across - 0.5)
    light = 1.0 - 0.16 * u - 0.05 * v - 0.10 * slope
    noise = np.random.default_rng(7).normal(0, 1.6, page.shape).astype(np.float32)
    paper = page[..., None] * light[..., None] * np.array([0.93, 0.97, 1.0], np.float32) + noise[..., None]

    grain = np.random.default_rng(8).normal(0, 6, (out_h, out_w // 40 + 1)).astype(np.float32)
    grain = cv2.resize(grain, (out_w, out_h), interpolation=cv2.INTER_CUBIC)
    table = (grain + 92)[..., None] * np.array([0.62, 0.80, 1.0], np.float32) * (1.05 - 0.3 * u[..., None])

    inside = ((across > 0) & (across < 1) & (down > 0) & (down < 1)).astype(np.float32)
    cover = cv2.GaussianBlur(inside, (0, 0), 0.8)[..., None]
    shadow = cv2.GaussianBlur(np.roll(inside, (8, 12), (0, 1)), (0, 0), 9)[..., None]
    return np.clip(paper * cover + table * (1 - 0.5 * shadow) * (1 - cover), 0, 255).astype(np.uint8)


PDF_PAGES = (
    (
        "Walking Tour of the Water Mills",
        "The tour begins at the market square and follows the stream",
        "for about four kilometres. Five of the old mills still stand,",
        "and two of them can be visited from May to October.",
        "Please wear sturdy shoes: the path is wet after rain.",
        "Duration: 2 hours 30 minutes",
        "Price: 6.50 per person, children free",
    ),
    (
        "Stations of the Tour",
        "1. Upper Mill, built in 1742, now a bakery",
        "2. Paper Mill, closed in 1911, with its wheel restored",
        "3. Saw Mill, still at work on two days a week",
        "4. Oil Mill, a small museum with a garden",
        "5. Lower Mill, today a youth hostel with 48 beds",
        "The bus number 17 returns to the market square every hour.",
    ),
)


def pdf_of(pages: tuple[tuple[str, ...], ...]) -> bytes:
    """A PDF of text: one of the fonts that every reader has, the first line of a page as its title."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, (title, *lines) in enumerate(pages):
        text = "".join(f"({line}) Tj T*\n" for line in lines)
        content = f"BT /F 24 Tf 72 740 Td ({title}) Tj /F 15 Tf 0 -50 Td 30 TL\n{text}ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F 3 0 R >> >> >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        ]
    data = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n".encode("ascii")
    rows = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF\n"
    return data + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}{trailer}".encode("ascii")


def main(folder: Path) -> None:
    expected = folder / "expected"
    expected.mkdir(parents=True, exist_ok=True)
    en, zh = english(), chinese()
    en.image.save(folder / "en.png", optimize=True)
    zh.image.save(folder / "zh.png", optimize=True)
    en.image.transpose(Image.Transpose.ROTATE_270).save(folder / "rotated.png", optimize=True)
    photo = Image.fromarray(np.ascontiguousarray(photo_of_curled(np.asarray(en.image))[:, :, ::-1]))
    photo.save(folder / "warped.jpg", quality=82, optimize=True)
    (folder / "two_pages.pdf").write_bytes(pdf_of(PDF_PAGES))
    texts = {"en": en.lines, "rotated": en.lines, "warped": en.lines, "zh": zh.lines}
    texts["two_pages"] = [line for page in PDF_PAGES for line in page]
    for name, lines in texts.items():
        (expected / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pages")
