"""What the tests of this room stand on: a network of a few bytes, wheels that carry it, and a server that counts."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from docfleet.weights import Model, ModelTask, Registry, WheelSource

MEMBER = "tiny_house/models/net.onnx"


def varint(value: int) -> bytes:
    """A protocol-buffers number."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field_of(number: int, value: bytes | str | int) -> bytes:
    """A protocol-buffers field: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def entry(key: str, value: str) -> bytes:
    """One of `metadata_props`."""
    return field_of(14, field_of(1, key) + field_of(2, value))


def tiny_onnx(metadata: Mapping[str, str] | None = None) -> bytes:
    """An ONNX model that an engine can open: y = x, one float."""
    tensor = field_of(1, field_of(1, 1) + field_of(2, field_of(1, field_of(1, 1))))
    node = field_of(1, "x") + field_of(2, "y") + field_of(4, "Identity")
    graph = (
        field_of(1, node)
        + field_of(2, "identity")
        + field_of(11, field_of(1, "x") + field_of(2, tensor))
        + field_of(12, field_of(1, "y") + field_of(2, tensor))
    )
    props = b"".join(entry(key, value) for key, value in (metadata or {}).items())
    return field_of(1, 8) + field_of(7, graph) + field_of(8, field_of(1, "") + field_of(2, 13)) + props


def build_wheel(
    folder: Path,
    members: Mapping[str, bytes],
    *,
    package: str = "tiny-house",
    version: str = "1.0",
    tag: str = "py3-none-any",
    requires_python: str | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """A valid wheel of plain files."""
    stem = f"{package.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
    if requires_python:
        metadata += f"Requires-Python: {requires_python}\n"
    files = {
        **members,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    rows = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}")
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return wheel


def tiny_model(onnx: bytes, *, name: str = "tiny", sources: tuple[WheelSource, ...] = ()) -> Model:
    """A pinned recogniser whose network `onnx` the wheel of `build_wheel` carries."""
    return Model(
        name=name,
        task=ModelTask.TEXT_RECOGNITION,
        licence="Apache-2.0",
        upstream="nobody/nothing",
        sources=sources or (WheelSource(package="tiny-house", version="1.0", member=MEMBER),),
        sha256=hashlib.sha256(onnx).hexdigest(),
        size=len(onnx),
        template={"PostProcess": {"name": "CTCLabelDecode"}},
        characters="character",
    )


def tiny_registry() -> Registry:
    """One model, `tiny`, with its network as `ONNX`."""
    return Registry([tiny_model(ONNX)])


ONNX = tiny_onnx({"character": "a\nb\n\u3000\n'\n#"})
CHARACTERS = ["a", "b", "\u3000", "'", "#"]


def pip_settings(**settings: str) -> dict[str, str]:
    """An environment in which pip knows nothing but `settings` (as `find_links`) and keeps no cache."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    ours = {"no_index": "1", "no_cache_dir": "1", "config_file": os.devnull, **settings}
    return {**clean, "NO_PROXY": "127.0.0.1", **{f"PIP_{name.upper()}": value for name, value in ours.items()}}


def know_only(patch: pytest.MonkeyPatch, house: Path | None) -> None:
    """Let pip know the wheels in the folder `house`, or none, and nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        patch.delenv(name)
    for name, value in pip_settings(**({"find_links": str(house)} if house else {})).items():
        if name.startswith("PIP_"):
            patch.setenv(name, value)


def flip_a_byte(path: Path) -> None:
    """Damage a file in its middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def contents(root: Path) -> set[str]:
    """Every file of the store but the locks."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and ".locks" not in path.parts}


@dataclass
class Server:
    """A folder served over HTTP on this machine."""

    url: str
    downloads: Counter[str] = field(default_factory=Counter)
    """How often each path was asked for with GET."""
    hold: threading.Event = field(default_factory=threading.Event)
    """While set, wheels are answered with their first half; the rest waits until it is cleared or the server ends."""
    held: threading.Event = field(default_factory=threading.Event)
    """Set as soon as the first half of a wheel has been sent."""
    closing: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serve `folder` on a port of its own."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def do_GET(self):
            server.downloads[self.path.rsplit("/", 1)[-1]] += 1
            if not (self.path.endswith(".whl") and server.hold.is_set()):
                super().do_GET()
                return
            data = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            server.held.set()
            server.closing.wait(60)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server = Server(f"http://127.0.0.1:{listener.server_port}/")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            listener.shutdown()
            thread.join()
