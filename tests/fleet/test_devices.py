"""Device strings, and how a slot presents itself."""

import pytest

from docfleet.errors import DeviceError
from docfleet.fleet.devices import DEVICE_TYPES, Slot, available_cpus, constr_device, parse_device


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("cpu", ("cpu", None)),
        ("gpu", ("gpu", None)),
        ("gpu:0", ("gpu", [0])),
        ("GPU:0,1", ("gpu", [0, 1])),
        (" gpu : 0 , 3 ", ("gpu", [0, 3])),
        ("gpu:0,0", ("gpu", [0, 0])),
        ("iluvatar_gpu:12", ("iluvatar_gpu", [12])),
    ],
)
def test_parse_device(text, parsed):
    assert parse_device(text) == parsed


@pytest.mark.parametrize("text", ["", "tpu", "gpu0", "gpu:", "gpu:-1", "gpu:0,", "gpu:a", "gpu:1.0", "gpu:²", "cuda:0"])
def test_a_string_that_means_nothing(text):
    with pytest.raises(DeviceError):
        parse_device(text)


@pytest.mark.parametrize("kind", DEVICE_TYPES)
@pytest.mark.parametrize("ids", [None, [0], [3, 1, 1]])
def test_construction_is_the_inverse_of_parsing(kind, ids):
    assert parse_device(constr_device(kind, ids)) == (kind, ids)


def test_names_of_slots():
    assert Slot("gpu", 1, 2).name == "gpu:1#2"
    assert Slot("cpu").name == "cpu#0"


def test_the_index_for_libraries_differs_where_other_devices_are_hidden():
    assert Slot("gpu", 3).library_id == 3
    assert Slot("gpu", 3, visible_id=0).library_id == 0
    assert Slot("gpu", 3, visible_id=0).device == "gpu:3"
    assert Slot("cpu").library_id == 0


def test_there_is_a_cpu():
    assert available_cpus() >= 1
