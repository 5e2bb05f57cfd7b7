"""The metadata reader against hand-made messages, damaged ones, and an engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docfleet.errors import WeightsError
from docfleet.weights.onnx_metadata import read_metadata
from tests.weights.house import entry, field_of, tiny_onnx, varint

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.dictionaries(st.text(max_size=8), st.text(max_size=300), max_size=4)
numbers = st.integers(1, 13)


def fixed(wire_type: int, size: int) -> st.SearchStrategy[bytes]:
    """Fields of a fixed size, as no ONNX file of today has at its top."""
    data = st.binary(min_size=size, max_size=size)
    return st.builds(lambda number, value: varint(number << 3 | wire_type) + value, numbers, data)


others = st.lists(
    st.one_of(
        st.builds(field_of, numbers, st.integers(0, 2**64 - 1)),
        st.builds(field_of, numbers, st.binary(max_size=300)),
        fixed(1, 8),
        fixed(5, 4),
    ),
    max_size=5,
)


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    return path


@in_one_folder
@given(texts, others, st.randoms(use_true_random=False))
def test_reads_what_was_written_between_any_other_fields(tmp_path, metadata, other, random):
    parts = [*other, *(entry(key, value) for key, value in metadata.items())]
    random.shuffle(parts)
    assert read_metadata(written(tmp_path, b"".join(parts))) == metadata


@in_one_folder
@given(st.integers(0, 10**6))
def test_a_file_cut_short_loses_entries_or_is_refused_and_never_invents(tmp_path, cut):
    metadata = {"character": "a\nb", "shape": "[3, 48, 320]"}
    whole = tiny_onnx(metadata)
    try:
        found = read_metadata(written(tmp_path, whole[: cut % len(whole)]))
    except WeightsError as error:
        assert "model.onnx is not a readable ONNX file" in str(error)
    else:
        assert found.items() < metadata.items()


@in_one_folder
@given(st.binary(max_size=200))
def test_noise_is_refused_or_read_but_nothing_else(tmp_path, noise):
    try:
        read_metadata(written(tmp_path, noise))
    except WeightsError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        varint(14 << 3 | 2) + varint(2**62),  # a length beyond the file, which must not be allocated
        varint(7 << 3 | 2) + varint(2**62),
        varint(14 << 3 | 3),  # a group, which no ONNX file has
        b"\xff" * 11,  # a number that does not end
        field_of(14, field_of(1, b"\xff\xfe")),  # a key that is not UTF-8
    ],
)
def test_what_cannot_be_onnx_is_refused(tmp_path, data):
    with pytest.raises(WeightsError, match="fetch or export it again"):
        read_metadata(written(tmp_path, data))


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_metadata(tmp_path / "none.onnx")


def test_agrees_with_onnxruntime_on_a_small_model(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    metadata = {"character": "0\n90\n\u3000\n🛁", "empty": "", "shape": "[3]"}
    path = written(tmp_path, tiny_onnx(metadata))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert read_metadata(path) == session.get_modelmeta().custom_metadata_map == metadata
