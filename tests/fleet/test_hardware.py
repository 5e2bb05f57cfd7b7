"""What a machine has, read from folders laid out like other machines."""

import os
import subprocess
import sys

import pytest

from docfleet.fleet import hardware


@pytest.fixture
def lay_out(tmp_path):
    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
        # A container whose own path is not below its mount point.
        ({"proc/self/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        # The parent group allows less.
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "800000 100000\n",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/job\n3:memory:/\n",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            },
            4.0,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({}, None),
    ],
)
def test_cpu_quota(lay_out, files, quota):
    assert hardware.cpu_quota(lay_out(files)) == quota


@pytest.mark.parametrize(
    ("cpus", "quota", "cores"),
    [(8, None, 8), (8, 2.5, 2), (8, 0.5, 1), (2, 16.0, 2)],
)
def test_usable_cores(cpus, quota, cores):
    assert hardware.Machine(cpus=tuple(range(cpus)), quota=quota).usable_cores == cores


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({"proc/self/cgroup": "0::/x\n", "sys/fs/cgroup/x/memory.events": "oom 9\noom_kill 3\noom_group_kill 0\n"}, 3),
        (
            {
                "proc/self/cgroup": "3:memory:/x\n0::/\n",
                "sys/fs/cgroup/memory/x/memory.oom_control": "under_oom 0\noom_kill 5\n",
            },
            5,
        ),
        ({"proc/self/cgroup": "0::/x\n"}, None),
    ],
)
def test_oom_kills(lay_out, files, kills):
    assert hardware.oom_kills(lay_out(files)) == kills


def test_parse_cpu_list():
    assert hardware.parse_cpu_list("0-3,8\n") == {0, 1, 2, 3, 8}
    assert hardware.parse_cpu_list("\n") == frozenset()


def test_numa_nodes_are_cut_to_what_is_allowed(lay_out):
    node = "sys/devices/system/node"
    root = lay_out({f"{node}/node0/cpulist": "0-3\n", f"{node}/node1/cpulist": "4-7\n", f"{node}/node2/cpulist": "\n"})
    assert hardware.numa_nodes(frozenset({2, 3, 4}), root) == {0: (2, 3), 1: (4,)}
    assert hardware.numa_nodes(frozenset({0}), root) == {0: (0,)}


def test_without_numa_there_is_one_node(tmp_path):
    assert hardware.numa_nodes(frozenset({0, 1}), tmp_path) == {0: (0, 1)}


def test_hardware_threads_of_a_core_are_neighbours(lay_out, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    topology = "sys/devices/system/cpu/cpu{}/topology/core_id"
    root = lay_out({topology.format(cpu): f"{cpu % 2}\n" for cpu in range(4)})
    assert hardware.cpus_by_affinity(root) == (0, 2, 1, 3)


def test_accelerators_by_their_device_nodes(lay_out, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nodes = ["davinci0", "davinci1", "davinci_manager", "xpu0", "xpuctrl", "null"]
    root = lay_out({f"dev/{name}": "" for name in nodes} | {"proc/driver/nvidia/gpus/0000:01:00.0/information": ""})
    assert hardware.accelerators(root) == {"gpu": 1, "npu": 2, "xpu": 1}


@pytest.mark.parametrize(
    ("setting", "visible", "count"),
    [("0,2", ["0", "2"], 2), ("", [], 0), ("-1", [], 0), ("1,-1,0", ["1"], 1), ("MIG-a, MIG-b", ["MIG-a", "MIG-b"], 2)],
)
def test_gpus_that_are_hidden_are_not_there(lay_out, monkeypatch, setting, visible, count):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    root = lay_out({"proc/driver/nvidia/gpus/0000:01:00.0/information": ""})
    assert hardware.visible_gpus() == visible
    assert hardware.accelerators(root).get("gpu", 0) == count


@pytest.mark.parametrize(
    ("script", "count"),
    [
        (
            "echo 'GPU 0: A (UUID: GPU-1)'; echo '  MIG 1g.5gb Device 0: x'; echo 'GPU 1: A (UUID: GPU-2)'",
            2,
        ),
        ("echo 'No devices were found' >&2; exit 6", None),
    ],
)
def test_nvidia_smi_is_asked(tmp_path, monkeypatch, script, count):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert hardware._ask_nvidia_smi() == count


def test_this_machine():
    machine = hardware.Machine.probe()
    assert machine.usable_cores >= 1
    assert {cpu for cpus in machine.nodes.values() for cpu in cpus} == set(machine.cpus)


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/pids.max": "max\n", "sys/fs/cgroup/pids.current": "7\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/pids.max": "100\n",
                "sys/fs/cgroup/a/pids.current": "90\n",
                "sys/fs/cgroup/a/b/pids.max": "50\n",
                "sys/fs/cgroup/a/b/pids.current": "20\n",
            },
            10,
        ),
        (
            {
                "proc/self/cgroup": "5:pids:/job\n",
                "sys/fs/cgroup/pids/job/pids.max": "100\n",
                "sys/fs/cgroup/pids/job/pids.current": "120\n",
            },
            0,
        ),
        ({}, None),
    ],
)
def test_available_processes_of_a_container(lay_out, files, left, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert hardware.available_processes(lay_out(files)) == left


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="another user is needed, and /proc")
def test_available_processes_of_a_user():
    script = (
        "import os, resource; from docfleet.fleet.hardware import available_processes\n"
        "available_processes()  # imports what that user may not read\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (1000, 1000))\n"
        "os.setuid(47111)\n"
        "print(available_processes())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "999\n"
