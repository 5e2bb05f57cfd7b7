"""The rooms import downwards only, and importing the package costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "docfleet"

RANK = {
    "__main__": 8,
    "cli": 7,
    "batch": 6,
    "report": 5,
    "integrations": 4,
    "pipelines": 3,
    "models": 2,
    "fleet": 2,
    "engines": 1,
    "weights": 1,
    "documents": 0,
    "results": 0,
    "errors": -1,
}
"""A room may import from rooms of lower rank and from itself. docs/architecture.md gives the reasons."""


def room_of(module: str) -> str | None:
    """`fleet` for `docfleet.fleet.tasks`; None for foreign modules and for the package itself."""
    parts = module.split(".")
    return parts[1] if parts[0] == "docfleet" and len(parts) > 1 else None


def imports_of(path: Path) -> list[tuple[int, str]]:
    """(line, module) of every import statement in a file, those inside functions included."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            found.append((node.lineno, node.module or ""))
    return found


def upward_imports(path: Path, room: str) -> list[str]:
    """The imports of a file that do not point downwards."""
    return [
        f"{path.name}:{line}: {room} imports {target}"
        for line, module in imports_of(path)
        if (target := room_of(module)) is not None and target != room and RANK[target] >= RANK[room]
    ]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_downwards(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if room == "__init__":
        return  # the public names come from everywhere
    assert upward_imports(path, room) == []


def test_fleet_stands_alone() -> None:
    wanted = {"fleet", "errors"}
    for path in (SOURCE / "fleet").glob("*.py"):
        rooms = {room for _, module in imports_of(path) if (room := room_of(module))}
        assert rooms <= wanted, f"{path.name} imports {rooms - wanted}"


def test_an_upward_import_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "tasks.py"
    path.write_text("def late():\n    from docfleet.pipelines.base import Pipeline\n", encoding="utf-8")
    assert upward_imports(path, "fleet") == ["tasks.py:2: fleet imports pipelines"]


@pytest.mark.parametrize(
    ("statement", "banned"),
    [
        ("import docfleet", {"numpy", "cv2", "openvino", "onnxruntime", "pypdfium2", "PIL", "yaml", "click", "rich"}),
        ("import docfleet.cli.main", {"numpy", "cv2", "openvino", "onnxruntime", "pypdfium2", "PIL", "yaml", "rich"}),
        ("import docfleet.cli.ocr", {"numpy", "cv2", "openvino", "onnxruntime", "pypdfium2", "PIL", "yaml"}),
        (
            "import docfleet.cli.doc_preprocessor",
            {"numpy", "cv2", "openvino", "onnxruntime", "pypdfium2", "PIL", "yaml"},
        ),
        ("import docfleet.fleet.worker", {"numpy", "cv2", "openvino", "onnxruntime", "pypdfium2", "PIL", "yaml"}),
    ],
)
def test_importing_loads_nothing_heavy(statement: str, banned: set[str]) -> None:
    script = f"{statement}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert banned & set(done.stdout.split()) == set()


def test_every_public_name_can_be_had() -> None:
    import docfleet

    assert set(docfleet.__all__) <= set(dir(docfleet))
    for name in docfleet.__all__:
        assert getattr(docfleet, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        docfleet.Nonsense  # noqa: B018
