"""Values and messages survive the way, and what is no message is said to be none."""

import math
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from docfleet.fleet import messages, wire
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Category, Done, Expanded, Failed, Failure, Task


def encode(several):
    return wire.FrameEncoder().encode(several)


def region_of(encoded):
    data = b"".join(encoded.chunks)
    assert len(data) == encoded.region_size
    return np.frombuffer(bytearray(data), np.uint8)


def travel(value):
    encoded = encode([messages.finished_message(0, Done(value))])
    (message,) = messages.to_parent().decode(encoded.body, region_of(encoded))
    return message.attempt().value


def same(sent, received):
    """Equality to the bit, tuples being lists."""
    if isinstance(sent, np.ndarray):
        return (
            isinstance(received, np.ndarray)
            and (sent.dtype, sent.shape) == (received.dtype, received.shape)
            and sent.tobytes() == received.tobytes()
        )
    if isinstance(sent, np.generic):
        return type(sent) is type(received) and sent.tobytes() == received.tobytes()
    if isinstance(sent, dict):
        return list(sent) == list(received) and all(same(sent[key], received[key]) for key in sent)
    if isinstance(sent, list | tuple):
        return type(received) is list and len(sent) == len(received) and all(map(same, sent, received))
    if isinstance(sent, float):
        return type(received) is float and np.float64(sent).tobytes() == np.float64(received).tobytes()
    return type(sent) is type(received) and sent == received


arrays = npst.arrays(
    dtype=st.one_of(
        npst.boolean_dtypes(),
        npst.integer_dtypes(endianness="?"),
        npst.unsigned_integer_dtypes(endianness="?"),
        npst.floating_dtypes(endianness="?"),
        npst.complex_number_dtypes(),
        npst.unicode_string_dtypes(max_len=4),
        npst.byte_string_dtypes(max_len=4),
        npst.datetime64_dtypes(max_period="s", min_period="s"),
    ),
    shape=npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)
views = arrays.map(lambda array: array.T if array.ndim else array) | arrays.map(
    lambda array: array[::-2] if array.ndim else array
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.text(st.characters(categories=["Cs", "L"]), max_size=4),
    st.binary(max_size=50),
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([-2, 1, 3])),
    st.sampled_from([np.float32(1.5), np.int16(-3), np.bool_(True), np.float64("nan"), np.str_("é"), np.str_("")]),
)
values = st.recursive(
    scalars | arrays | views,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(values)
def test_values_arrive_exactly(value):
    assert same(value, travel(value))


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        -0.0,
        2**64,
        -(2**200),
        "caf\udce9.pdf",
        {"deep": [{"path": "\udcff", "n": 2**70}]},
        {"caf\udce9.pdf": 1},
        np.empty((0, 4, 2), np.int16),
        np.array(3, ">i4"),
        np.zeros((4, 0), ">f8"),
        np.arange(24, dtype=">i2").reshape(4, 6)[::2, ::-3],
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array([True, False]),
        np.array([math.nan, -0.0], np.float16),
        np.arange(10**5, dtype=np.int16),
        range(5, -7, -3),
        [],
        {},
        b"",
    ],
    ids=repr,
)
def test_values_that_are_easily_lost(value):
    assert same(value, travel(value))


def test_subclasses_arrive_as_what_they_are_underneath():
    class Result(dict):
        pass

    assert same({"category": "input", "n": 1}, travel(Result(category=Category.INPUT, n=1)))
    assert type(travel([Category.INPUT])[0]) is str


def test_messages_for_people_survive_a_file_name_that_is_not_utf8():
    failure = Failure(Category.INPUT, "caf\udce9.pdf: no such file", "trace")
    encoded = encode([messages.finished_message(0, Failed(failure)), messages.Fault("\udc80")])
    finished, fault = messages.to_parent().decode(encoded.body, region_of(encoded))
    assert finished.attempt().failure.message == r"caf\udce9.pdf: no such file"
    assert fault.detail == r"\udc80"


def test_received_arrays_are_the_receivers_own():
    array = travel(np.zeros(5))
    array[0] = 1
    assert array[0] == 1


@dataclass
class Box:
    x: int


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"pages": [{"boxes": [1, Box(2)]}]}, "value['pages'][0]['boxes'][1]"),
        ({1, 2}, "value "),
        ([Path("a")], "value[0]"),
        ({"a": {1: "b"}}, "value['a'] .* key 1"),
        (np.array([object()]), "value .* dtype object"),
        ({"a": np.zeros(1, [("x", "f4")])}, "value['a']"),
        (np.ma.masked_array([1], [True]), "value .*MaskedArray"),
        (range(2**70), "value .* too long"),
        (lambda: None, "value .*function"),
    ],
    ids=["dataclass", "set", "path", "key", "objects", "structured", "masked", "range", "function"],
)
def test_what_cannot_travel_is_named_with_its_place(value, place):
    import re

    pattern = re.escape(place).replace(r"\ \.\*", " .*").replace(r"\.\*", ".*").replace(r"\ ", " ")
    with pytest.raises(TypeError, match=pattern):
        messages.finished_message(0, Done(value))
    with pytest.raises(TypeError, match="payload"):
        messages.task_message(0, Task((0,), value))
    with pytest.raises(TypeError, match="options"):
        messages.start_message("a:b", {"x": value}, Slot("cpu"))


def test_a_value_that_contains_itself():
    value: list = []
    value.append(value)
    with pytest.raises(TypeError, match="nested too deeply"):
        wire.check_plain(value)


def test_every_message_arrives():
    slot = Slot("gpu", 1, 2, 3, frozenset({4, 5}), 6, 7, 0)
    to_worker = [
        messages.start_message("a:b", {"x": (1, np.arange(3))}, slot, sys_path=["/caf\udce9"], variables={"A": None}),
        messages.Assign(
            [
                messages.task_message(1, Task((4, 0), {"path": "a.pdf"}, 0, 1.5)),
                messages.task_message(2, Task((5,), b"x")),
            ]
        ),
        messages.Recall([1, 2]),
        messages.Stop(),
    ]
    encoded = encode(to_worker)
    start, run, *rest = messages.to_worker().decode(encoded.body, region_of(encoded))
    assert messages.slot_of(start) == slot
    assert start.sys_path == ["/caf\udce9"]
    assert start.options["x"][0] == 1
    assert [each.task() for each in run.tasks] == [Task((4, 0), {"path": "a.pdf"}, 0, 1.5), Task((5,), b"x")]
    assert rest == to_worker[2:]

    to_parent = [
        messages.Hello(7, messages.PROTOCOL),
        messages.Ready(),
        messages.CannotStart("no", "trace"),
        messages.Reading(12),
        messages.Read(12),
        messages.Computing([12, 3]),
        messages.Writing([12]),
        messages.BatchMemory([3]),
        messages.Recalled([]),
        messages.Log("a", 10, "t", 1.5, "p", 3, "f", "th", ""),
        messages.Sample(10, {"read": (0.0, 1.0, 2.0)}),
        messages.Fault("x"),
    ]
    encoded = encode(to_parent)
    assert messages.to_parent().decode(encoded.body, region_of(encoded)) == to_parent


@pytest.mark.parametrize(
    "attempt",
    [
        Done({"a": 1}),
        Failed(Failure(Category.INPUT, "no such file", "trace")),
        Expanded(range(300)),
        Expanded([1, "b"], [1.0, 2.5]),
    ],
)
def test_every_end_of_an_attempt_arrives(attempt):
    encoded = encode([messages.finished_message(3, attempt)])
    (message,) = messages.to_parent().decode(encoded.body, region_of(encoded))
    assert message.attempt() == attempt


def ext_message(code, data):
    return msgspec.msgpack.encode([["Finished", 0, ["WireDone", msgspec.msgpack.Ext(code, data)]]])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode([["Nonsense"]]),
        msgspec.msgpack.encode([["Reading", "ticket"]]),
        msgspec.msgpack.encode([["Reading"]]),
        msgspec.msgpack.encode([["Assign", []]]),
        msgspec.msgpack.encode([["Finished", 0, ["WireFailed", "no such category", "", ""]]]),
        ext_message(77, b""),
        ext_message(1, b"junk"),
        ext_message(1, msgspec.msgpack.encode(("<f8", (2,), 0))),
        ext_message(1, msgspec.msgpack.encode(("<u1", (8,), -8))),
        ext_message(1, msgspec.msgpack.encode(("<u1", (-1,), 0))),
        ext_message(1, msgspec.msgpack.encode(("<u1", (2**62, 2**62), 0))),
        ext_message(1, msgspec.msgpack.encode(("|O", (1,), 0))),
        ext_message(1, msgspec.msgpack.encode(("f8,O", (1,), 0))),
        ext_message(2, msgspec.msgpack.encode(("|O", b"12345678"))),
        ext_message(2, msgspec.msgpack.encode(("<f8", b"1"))),
        ext_message(3, msgspec.msgpack.encode((0, 10, 0))),
        ext_message(3, msgspec.msgpack.encode((0, 2**63, 1))),
        ext_message(4, b"\xff"),
    ],
)
def test_what_is_no_message(body):
    with pytest.raises(wire.WireError):
        messages.to_parent().decode(body, np.zeros(8, np.uint8))


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_noise_is_never_more_than_a_wire_error(body):
    try:
        messages.to_parent().decode(body, np.zeros(8, np.uint8))
    except wire.WireError:
        pass


@pytest.mark.parametrize(("parts", "sizes"), [("abc", None), (5, None), ([1, 2], [1.0])])
def test_an_expansion_into_nonsense(parts, sizes):
    with pytest.raises(wire.WireError):
        messages.Finished(0, messages.WireExpanded(parts, sizes)).attempt()
