"""Write the option tables of the pipelines' pages from the options themselves.

python docs/make_tables.py            rewrite what stands between the markers
python docs/make_tables.py --check    exit 1 if a page is not up to date
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

from docfleet.pipelines.options import option_fields

HERE = Path(__file__).parent
BLOCK = re.compile(r"(<!-- options: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(target: str) -> str:
    """The options of the dataclass `module:Class` as a Markdown table."""
    module, _, name = target.partition(":")
    lines = ["| option | takes | meaning |", "|---|---|---|"]
    for field in option_fields(getattr(importlib.import_module(module), name)):
        info = field.info
        takes = " ".join([field.type.__name__] * (info.length or 1))
        if info.choices:
            takes = ", ".join(f"`{choice}`" for choice in info.choices)
        former = f" (formerly `{info.formerly}`)" if info.formerly else ""
        lines.append(f"| `{field.name}` | {takes} | {info.help.replace('|', chr(92) + '|')}{former} |")
    return "\n".join(lines) + "\n"


def rewritten(text: str) -> str:
    """A page with its tables made anew."""
    return BLOCK.sub(lambda found: found[1] + table(found[2]) + found[3], text)


def main(arguments: list[str]) -> int:
    """Command line."""
    stale = []
    for page in sorted(HERE.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (fresh := rewritten(text)) != text:
            stale.append(page.name)
            if "--check" not in arguments:
                page.write_text(fresh, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"not up to date: {', '.join(stale)}; run python docs/make_tables.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
