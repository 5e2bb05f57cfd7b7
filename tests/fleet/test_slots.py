"""Slots on imagined machines: what is there, how cores are shared, what a worker's environment says."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docfleet.errors import DeviceError, UsageError
from docfleet.fleet.devices import Slot
from docfleet.fleet.hardware import Machine
from docfleet.fleet.slots import as_seen_inside, environment_of, slots_of

TWO_NODES = Machine(cpus=tuple(range(16)), nodes={0: tuple(range(8)), 1: tuple(range(8, 16))}, accelerators={"gpu": 4})
SMALL = Machine(cpus=(0, 1), nodes={0: (0, 1)})


@pytest.fixture(autouse=True)
def all_gpus_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)


@pytest.mark.parametrize(
    ("device", "instances", "names"),
    [
        ("cpu", 1, ["cpu#0"]),
        ("cpu", 3, ["cpu#0", "cpu#1", "cpu#2"]),
        ("gpu", 1, ["gpu:0#0"]),
        ("gpu:0,0", 1, ["gpu:0#0", "gpu:0#1"]),
        ("gpu:2,1", 2, ["gpu:2#0", "gpu:2#1", "gpu:1#0", "gpu:1#1"]),
        ("gpu:0,0", 2, ["gpu:0#0", "gpu:0#1", "gpu:0#2", "gpu:0#3"]),
        ("cpu:0,1", 1, ["cpu:0#0", "cpu:1#0"]),
        ("auto", 1, ["gpu:0#0", "gpu:1#0", "gpu:2#0", "gpu:3#0"]),
    ],
)
def test_which_slots(device, instances, names):
    assert [slot.name for slot in slots_of(device, instances_per_device=instances, machine=TWO_NODES)] == names


def test_auto_without_a_gpu_is_the_cpu():
    assert [slot.name for slot in slots_of(" Auto", machine=SMALL)] == ["cpu#0"]


@pytest.mark.parametrize(
    ("device", "machine", "words"),
    [
        ("gpu:4", TWO_NODES, ["gpu:4 is not there", "gpu:0,1,2,3", "auto"]),
        ("gpu:0", SMALL, ["gpu:0 is not there", "--device cpu"]),
        ("npu", TWO_NODES, ["npu:0 is not there"]),
        ("cpu:0,2", TWO_NODES, ["cpu:2 is not there", "NUMA", "cpu:0,1"]),
    ],
)
def test_a_missing_device_is_one_clear_error(device, machine, words):
    with pytest.raises(DeviceError) as error:
        slots_of(device, machine=machine)
    for word in words:
        assert word in str(error.value)


def test_hidden_gpus_are_named_in_the_error(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(DeviceError, match="CUDA_VISIBLE_DEVICES is ''"):
        slots_of("gpu:0", machine=SMALL)


def test_types_that_nobody_can_count_are_left_to_the_worker():
    assert [slot.name for slot in slots_of("dcu:1", machine=SMALL)] == ["dcu:1#0"]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"instances_per_device": 0}, "instances_per_device"),
        ({"threads": 0}, "threads"),
        ({"memory_limit": 0}, "memory_limit"),
    ],
)
def test_numbers_that_make_no_sense(arguments, name):
    with pytest.raises(UsageError, match=name):
        slots_of("cpu", machine=SMALL, **arguments)


@settings(deadline=None)
@given(
    cpus=st.sets(st.integers(0, 200), min_size=1, max_size=64),
    quota=st.none() | st.floats(0.1, 80),
    nodes=st.integers(1, 3),
    ids=st.lists(st.integers(0, 2), min_size=1, max_size=6),
    kind=st.sampled_from(["cpu", "gpu", "node"]),
    instances=st.integers(1, 9),
    threads=st.none() | st.integers(1, 100),
)
def test_threads_never_exceed_the_cores_and_sets_never_overlap(cpus, quota, nodes, ids, kind, instances, threads):
    numbers = tuple(sorted(cpus))
    members = {node: numbers[node::nodes] for node in range(nodes) if numbers[node::nodes]}
    machine = Machine(cpus=numbers, quota=quota, nodes=members, accelerators={"gpu": 3})
    chosen = ",".join(str(number % len(members) if kind == "node" else number) for number in ids)
    device = {"cpu": "cpu", "gpu": f"gpu:{chosen}", "node": f"cpu:{chosen}"}[kind]
    slots = slots_of(device, instances_per_device=instances, threads=threads, machine=machine)
    assert all(slot.threads >= 1 for slot in slots)
    assert all(slot.cpus <= cpus for slot in slots)
    if len(slots) <= machine.usable_cores:
        assert sum(slot.threads for slot in slots) <= machine.usable_cores
    else:
        assert all(slot.threads == 1 for slot in slots)
    assert all(slot.threads <= len(slot.cpus) for slot in slots if slot.cpus)
    if kind != "node":
        bound = [slot.cpus for slot in slots if slot.cpus]
        assert len(frozenset().union(*bound)) == sum(map(len, bound))


def test_the_remainder_goes_to_the_first_slots():
    machine = Machine(cpus=tuple(range(7)), nodes={0: tuple(range(7))})
    slots = slots_of("cpu", instances_per_device=2, machine=machine)
    assert [(slot.threads, sorted(slot.cpus)) for slot in slots] == [(3, [0, 1, 2, 3]), (3, [4, 5, 6])]


def test_a_numa_slot_stays_on_its_node():
    slots = slots_of("cpu:1", instances_per_device=2, machine=TWO_NODES)
    assert [(slot.threads, sorted(slot.cpus)) for slot in slots] == [(4, [8, 9, 10, 11]), (4, [12, 13, 14, 15])]


def test_a_quota_is_time_and_binds_nobody():
    machine = Machine(cpus=tuple(range(64)), quota=4.0, nodes={0: tuple(range(64))})
    slots = slots_of("cpu", instances_per_device=2, machine=machine)
    assert [(slot.threads, slot.cpus) for slot in slots] == [(2, frozenset())] * 2


def test_more_slots_than_cores_is_allowed_and_said(caplog):
    with caplog.at_level(logging.WARNING):
        slots = slots_of("cpu", instances_per_device=3, machine=SMALL)
    assert [slot.threads for slot in slots] == [1, 1, 1]
    assert "3 slots share 2 cores" in caplog.text


def test_too_many_threads_are_cut_and_said(caplog):
    with caplog.at_level(logging.WARNING):
        slots = slots_of("gpu:0,1", threads=16, machine=TWO_NODES)
    assert [slot.threads for slot in slots] == [8, 8]
    assert "each gets 8" in caplog.text


def test_environment_of_a_cpu_slot():
    environment = environment_of(Slot("cpu", threads=3))
    assert (
        environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "3"
    )
    assert "CUDA_VISIBLE_DEVICES" not in environment


def test_a_gpu_worker_sees_one_gpu_and_calls_it_0():
    slot = Slot("gpu", 3)
    environment = environment_of(slot)
    assert environment["CUDA_VISIBLE_DEVICES"] == "3"
    assert environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    inside = as_seen_inside(slot)
    assert (inside.library_id, inside.name) == (0, "gpu:3#0")


def test_gpu_numbers_count_what_the_user_left_visible(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-abc")
    assert environment_of(Slot("gpu", 1))["CUDA_VISIBLE_DEVICES"] == "GPU-abc"
    assert "CUDA_DEVICE_ORDER" not in environment_of(Slot("gpu", 1))
    with pytest.raises(DeviceError, match="not visible"):
        environment_of(Slot("gpu", 2))


def test_other_types_are_addressed_by_their_own_number():
    assert as_seen_inside(Slot("npu", 2)).library_id == 2
