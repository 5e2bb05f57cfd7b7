"""Which networks read which language: the reference's choice by `lang` and `ocr_version`.

The names of languages and of models are PaddleOCR 3.7's. One thing differs on purpose: where the reference takes
PP-OCRv6_medium, this takes PP-OCRv6_small, which comes from the Python package index without a model hub.
"""

from __future__ import annotations

from docfleet.errors import UsageError

VERSIONS = ("PP-OCRv3", "PP-OCRv4", "PP-OCRv5", "PP-OCRv6")

LATIN = frozenset(
    "af az bs cs cy da de es et fr ga hr hu id is it ku la lt lv mi ms mt nl no oc pi pl pt ro rs_latin sk sl sq sv sw "
    "tl tr uz vi french german fi eu gl lb rm ca qu".split()
)
ARABIC = frozenset("ar fa ug ur ps ku sd bal".split())
EAST_SLAVIC = frozenset("ru be uk".split())
CYRILLIC = frozenset(
    "ru rs_cyrillic be bg uk mn abq ady kbd ava dar inh che lbe lez tab kk ky tg mk tt cv ba mhr mo udm kv os bua xal "
    "tyv sah kaa".split()
)
DEVANAGARI = frozenset("hi mr ne bh mai ang bho mah sck new gom sa bgc".split())
OWN_SCRIPT = frozenset("korean th el te ta".split())
"""Languages with a recogniser of their own in PP-OCRv5."""

V6 = frozenset({"ch", "chinese_cht", "en", "japan"}) | (LATIN - {"pi"})
V3_OWN_SCRIPT = frozenset("en korean japan chinese_cht te ka ta".split())


def ocr_models(lang: str | None, version: str | None) -> tuple[str, str]:
    """Names of the detection and the recognition network for a language, a version, both or neither.

    Raises UsageError where no network exists.
    """
    language = lang or "ch"
    chosen = version or _version_for(language)
    pair = {"PP-OCRv3": _v3, "PP-OCRv4": _v4, "PP-OCRv5": _v5, "PP-OCRv6": _v6}[chosen](language) if chosen else None
    if pair is None:
        raise UsageError(f"No models are available for lang={lang!r} and ocr_version={version!r}.")
    return pair


def _version_for(lang: str) -> str | None:
    if lang in V6:
        return "PP-OCRv6"
    if lang in OWN_SCRIPT | EAST_SLAVIC | ARABIC | CYRILLIC | DEVANAGARI | LATIN:
        return "PP-OCRv5"
    return "PP-OCRv3" if lang == "ka" else None


def _v6(lang: str) -> tuple[str, str] | None:
    return ("PP-OCRv6_small_det", "PP-OCRv6_small_rec") if lang in V6 else None


def _v5(lang: str) -> tuple[str, str] | None:
    if lang in ("ch", "chinese_cht", "japan"):
        return "PP-OCRv5_server_det", "PP-OCRv5_server_rec"
    scripts = [("en", {"en"}), ("latin", LATIN), ("eslav", EAST_SLAVIC), ("arabic", ARABIC), ("cyrillic", CYRILLIC),
               ("devanagari", DEVANAGARI), *((one, {one}) for one in OWN_SCRIPT)]  # fmt: skip
    script = next((name for name, members in scripts if lang in members), None)
    return ("PP-OCRv5_server_det", f"{script}_PP-OCRv5_mobile_rec") if script else None


def _v4(lang: str) -> tuple[str, str] | None:
    names = {"ch": "PP-OCRv4_mobile_rec", "en": "en_PP-OCRv4_mobile_rec"}
    return ("PP-OCRv4_mobile_det", names[lang]) if lang in names else None


def _v3(lang: str) -> tuple[str, str] | None:
    if lang == "ch":
        return "PP-OCRv3_mobile_det", "PP-OCRv3_mobile_rec"
    scripts = [("latin", LATIN), ("arabic", ARABIC), ("cyrillic", CYRILLIC), ("devanagari", DEVANAGARI)]
    script = next((name for name, members in scripts if lang in members), lang if lang in V3_OWN_SCRIPT else None)
    return ("PP-OCRv3_mobile_det", f"{script}_PP-OCRv3_mobile_rec") if script else None
