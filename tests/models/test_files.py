import pytest

from docfleet.errors import WeightsError
from docfleet.models.files import reads_rgb, transform_op, transform_ops

from .fakes import FakeFolder, folder


def test_steps_in_order_with_and_without_parameters():
    files = folder([{"DecodeImage": {"img_mode": "BGR"}}, {"ToCHWImage": None}], {})
    assert list(transform_ops(files)) == [("DecodeImage", {"img_mode": "BGR"}), ("ToCHWImage", {})]
    assert transform_op(files, "ToCHWImage") == {}
    assert transform_op(files, "CropImage") is None


@pytest.mark.parametrize(
    "config", [{}, {"PreProcess": {"transform_ops": {"a": 1}}}, {"PreProcess": {"transform_ops": ["a"]}}]
)
def test_other_files_are_named(config):
    with pytest.raises(WeightsError, match=r"inference\.yml of the model some_model"):
        list(transform_ops(FakeFolder(config)))


@pytest.mark.parametrize(("mode", "rgb"), [("RGB", True), ("BGR", False)])
def test_channel_order_is_the_files(mode, rgb):
    assert reads_rgb(folder([{"DecodeImage": {"img_mode": mode}}], {}), default=not rgb) is rgb


@pytest.mark.parametrize("default", [True, False])
def test_channel_order_where_the_file_is_silent(default):
    assert reads_rgb(folder([], {}), default=default) is default
