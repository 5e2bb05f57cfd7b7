"""Real worker processes, one at a time, spoken to over their channel."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docfleet.errors import StartError
from docfleet.fleet import messages
from docfleet.fleet.board import Stage
from docfleet.fleet.devices import Slot
from docfleet.fleet.supervision import OomWatch, WorkerProcess
from docfleet.fleet.tasks import Done, Expanded, Task
from docfleet.fleet.worker import WorkerSpec
from tests.fleet.conftest import descriptors

ROOT = Path(__file__).parents[2]
ACTOR = "tests.fleet.workers:Actor"
SLOT = Slot("cpu", threads=1)
LIMIT_S = 60.0
SLOW_TO_READ = {"at": "read", "do": "nap", "value": 3}
"""A page of which it is told when it has been read; there is no message for that of a quick one."""


class Conversation:
    """Collects everything that a worker says, until it is dead."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.messages: list = []
        self.death = None
        self.board: dict[Stage, int] = {}
        """As it was when the worker had died."""
        self._selector = selectors.DefaultSelector()
        for name in ("channel", "output", "sentinel"):
            self._selector.register(getattr(worker, name), selectors.EVENT_READ, name)
        worker.channel.flush()

    def send(self, *messages) -> None:
        self.worker.channel.post(messages)
        assert self.worker.channel.flush()

    def assign(self, *payloads, first=0) -> None:
        tasks = [messages.task_message(first + n, Task((first + n,), payload)) for n, payload in enumerate(payloads)]
        self.send(messages.Assign(tasks))

    def until(self, condition):
        """Read on until `condition()` is true; returns its value."""
        end = time.monotonic() + LIMIT_S
        while not (value := condition()):
            assert time.monotonic() < end, f"waited in vain; so far: {self.messages}"
            assert self.death is None, f"died: {self.death}; so far: {self.messages}"
            for key, _ in self._selector.select(1):
                self._turn(key.data)
        return value

    def of(self, kind):
        return [message for message in self.messages if isinstance(message, kind)]

    def until_said(self, kind, count=1):
        return self.until(lambda: len(self.of(kind)) >= count and self.of(kind))

    def values(self, count):
        finished = self.until_said(messages.Finished, count)
        return {message.ticket: message.attempt() for message in finished}

    def until_dead(self):
        end = time.monotonic() + LIMIT_S
        while self.death is None:
            assert time.monotonic() < end, "it lives"
            for key, _ in self._selector.select(1):
                self._turn(key.data)
        return self.death

    def _turn(self, name):
        if name == "channel":
            try:
                self.messages += self.worker.channel.receive()
            except (EOFError, ConnectionError):
                self._selector.unregister(self.worker.channel)
        elif name == "output":
            if not self.worker.output.read():
                self._selector.unregister(self.worker.output)
        else:
            while self.worker.channel in self._selector.get_map():
                self._turn("channel")
            self.board = self.worker.board.look()
            self.death = self.worker.death(OomWatch())

    def close(self):
        self.worker.kill()
        self.worker.death(OomWatch())
        self._selector.close()


@pytest.fixture
def talk():
    """Starts workers; none of them, and no descriptor, is left."""
    open_before = descriptors()
    conversations = []

    def start(target=ACTOR, options=None, *, slot=SLOT, ready=True, **more) -> Conversation:
        conversation = Conversation(WorkerProcess.start(WorkerSpec(target, options or {}), slot, **more))
        conversations.append(conversation)
        if ready:
            conversation.until_said(messages.Ready)
        return conversation

    yield start
    for conversation in conversations:
        conversation.close()
    if open_before:
        assert descriptors() == open_before


def test_hello_then_ready_then_work(talk):
    worker = talk()
    hello, _ = worker.messages
    assert (hello.pid, hello.protocol) == (worker.worker.pid, messages.PROTOCOL)
    worker.assign(1, 2.5, "ab", np.arange(3))
    values = worker.values(4)
    assert [values[ticket].value for ticket in range(3)] == [2, 5.0, "abab"]
    assert np.array_equal(values[3].value, [0, 2, 4])


def test_the_first_steps_are_announced_by_messages(talk):
    """Later ones too, unless they are quick: see test_worker_loop."""
    worker = talk()
    worker.assign(1)
    worker.values(1)
    assert [
        message for message in worker.messages[2:] if not isinstance(message, messages.Sample | messages.Finished)
    ] == [messages.Reading(0), messages.Read(0), messages.Computing([0]), messages.Writing([0])]


@pytest.mark.kills
@pytest.mark.parametrize(
    ("step", "last", "posted"),
    [
        ("read", messages.Reading(1), {Stage.READ: 1}),
        ("compute", messages.Computing([0, 1]), None),
        ("write", messages.Writing([0, 1]), None),
    ],
)
def test_the_last_announcement_names_the_step_that_killed(talk, step, last, posted):
    worker = talk()
    worker.assign(5, {"at": step, "do": "abort"})
    death = worker.until_dead()
    assert (death.signal, death.exit_code, death.memory) == (signal.SIGABRT, None, False)
    announced = [message for message in worker.messages if not isinstance(message, messages.Finished)]
    # The first page was read before it: if that was quick, the board has the second one.
    assert announced[-1] == last or worker.board == posted
    assert "Fatal Python error: Aborted" in death.detail
    assert "workers.py" in death.detail


@pytest.mark.kills
@pytest.mark.parametrize(
    ("do", "number", "code", "cause"),
    [
        ("segfault", signal.SIGSEGV, None, "was killed by SIGSEGV"),
        ("kill", signal.SIGKILL, None, "was killed by SIGKILL"),
        ("exit", None, 3, "ended with exit status 3"),
        ("sys.exit", None, 70, "ended with exit status 70"),
    ],
)
def test_how_it_ended(talk, do, number, code, cause):
    worker = talk()
    worker.assign({"at": "compute", "do": do})
    death = worker.until_dead()
    assert (death.signal, death.exit_code, death.cause) == (number, code, cause)
    assert not worker.worker.alive
    if do == "sys.exit":
        assert "SystemExit: 5" in worker.of(messages.Fault)[0].detail


@pytest.mark.kills
def test_a_kill_counts_as_memory_if_the_last_sample_was_over_the_limit(talk):
    worker = talk(slot=replace(SLOT, memory_limit=1000))
    worker.assign(1)
    worker.worker.reported_resident = 2000
    os.kill(worker.worker.pid, signal.SIGKILL)
    assert worker.until_dead().memory


def test_an_expansion_keeps_its_range(talk):
    worker = talk()
    worker.assign({"parts": range(10**9)}, {"parts": ["a", 1]})
    assert worker.values(2) == {0: Expanded(range(10**9)), 1: Expanded(["a", 1])}


def test_failures_are_values_and_the_worker_lives_on(talk):
    worker = talk()
    steps = [("read", "reject", "input"), ("compute", "fail", "pipeline"), ("write", "fail", "pipeline")]
    steps += [("compute", "unencodable", "pipeline")]
    for ticket, (step, do, _) in enumerate(steps):
        worker.assign({"at": step, "do": do}, first=ticket)
    worker.assign(21, first=4)
    values = worker.values(5)
    assert [values[ticket].failure.category for ticket in range(4)] == [category for _, _, category in steps]
    assert "bad.png" in values[0].failure.message
    assert "in fail" in values[1].failure.detail
    assert "value cannot travel" in values[3].failure.message
    assert values[4] == Done(42)


def test_a_batch_that_does_not_fit_is_given_back(talk):
    worker = talk(options={"fits": 2})
    worker.assign(1, 2, 3)
    assert worker.until_said(messages.BatchMemory) == [messages.BatchMemory([0, 1, 2])]
    worker.assign(1, 2, first=3)
    assert worker.values(2) == {3: Done(2), 4: Done(4)}


def test_what_has_not_begun_can_be_recalled(talk, tmp_path):
    worker = talk()
    worker.assign({"wait": str(tmp_path / "go"), "value": 1})
    worker.until_said(messages.Computing)
    worker.assign(2, 3, first=1)
    worker.assign(4, SLOW_TO_READ, first=3)
    worker.until(lambda: messages.Read(4) in worker.messages)
    worker.send(messages.Recall([0, 2, 3]))
    assert worker.until_said(messages.Recalled) == [messages.Recalled([2, 3])]
    (tmp_path / "go").touch()
    assert set(worker.values(3)) == {0, 1, 4}


def test_a_recall_of_what_is_being_read_is_answered_when_it_is_read(talk, tmp_path):
    worker = talk()
    worker.assign({"at": "read", "do": "nap"}, 2)
    worker.until_said(messages.Reading)
    worker.send(messages.Recall([0, 1]))
    assert worker.until_said(messages.Recalled) == [messages.Recalled([1, 0])]
    worker.assign(3, first=2)
    assert worker.values(1) == {2: Done(6)}


def test_reading_and_writing_go_on_while_it_computes(talk, tmp_path):
    worker = talk()
    worker.assign({"wait": str(tmp_path / "go")})
    worker.until_said(messages.Computing)
    worker.assign(SLOW_TO_READ, first=1)
    worker.until(lambda: messages.Read(1) in worker.messages)
    assert not worker.of(messages.Finished)
    (tmp_path / "go").touch()
    worker.values(2)


def test_stop_finishes_the_step_closes_and_exits(talk, tmp_path):
    worker = talk(options={"closed": str(tmp_path / "closed")})
    worker.assign({"touch": str(tmp_path / "begun"), "sleep": 0.05})
    worker.assign(2, first=1)
    worker.until((tmp_path / "begun").exists)
    worker.send(messages.Stop())
    death = worker.until_dead()
    assert (death.signal, death.exit_code) == (None, 0)
    assert (tmp_path / "closed").read_text() == f"{worker.worker.pid}\n"
    (sample,) = worker.of(messages.Sample)[-1:]
    assert set(sample.stages) == {"read", "compute", "write"}
    assert sample.stages["compute"][0] >= 0.05
    assert sample.resident > 10**6


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("tests.fleet.no_such_module:X", {}, "tests.fleet.no_such_module"),
        ("tests.fleet.workers:NoSuchWorker", {}, "NoSuchWorker"),
        (ACTOR, {"start": {"do": "refuse"}}, "docfleet models pull"),
        (ACTOR, {"start": {"do": "sys.exit"}}, "5"),
    ],
)
def test_what_cannot_start_says_why(talk, target, options, words):
    worker = talk(target, options, ready=False)
    (reason,) = worker.until_said(messages.CannotStart)
    assert words in reason.message
    assert "Traceback" in reason.detail
    assert worker.until_dead().exit_code == 3


def test_options_that_cannot_travel():
    with pytest.raises(TypeError, match=r"options\['model'\]"):
        WorkerProcess.start(WorkerSpec(ACTOR, {"model": object()}), SLOT)


def test_a_folder_that_has_gone():
    with pytest.raises(StartError, match="cpu#0 cannot be started"):
        WorkerProcess.start(WorkerSpec(ACTOR), SLOT, cwd="/no/such/folder")


def test_modules_in_the_working_directory_are_not_taken_for_libraries(talk, tmp_path):
    for name in ("numpy", "json", "selectors", "docfleet"):
        (tmp_path / f"{name}.py").write_text("raise SystemError('the wrong module')\n")
    talk(cwd=str(tmp_path))


def test_it_knows_its_slot_and_its_environment(talk, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    worker = talk(slot=Slot("gpu", 2, threads=3))
    worker.assign({"reply": "slot"}, {"reply": "environment"}, {"reply": "modules"}, {"reply": "main"})
    values = worker.values(4)
    environment, modules = values[1].value, values[2].value
    assert values[0].value == ["gpu:2#0", 0, 3]
    assert environment["CUDA_VISIBLE_DEVICES"] == "2"
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["PYTHONPATH"] == "/somewhere/else"
    assert {"cv2", "onnxruntime", "openvino", "multiprocessing.spawn"}.isdisjoint(modules)
    assert values[3].value.endswith("worker_main.py")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_it_is_bound_to_its_cpus(talk):
    cpu = max(os.sched_getaffinity(0))
    worker = talk(slot=replace(SLOT, cpus=frozenset({cpu})))
    worker.assign({"reply": "cpus"})
    assert worker.values(1)[0].value == [cpu]


def test_cpus_that_have_gone_are_a_warning(talk, caplog):
    with caplog.at_level(logging.WARNING):
        worker = talk(slot=replace(SLOT, cpus=frozenset({4095})))
    assert any("cannot bind" in message.text for message in worker.of(messages.Log))


def test_what_it_logs_and_prints_arrives(talk, caplog):
    with caplog.at_level(logging.INFO):
        worker = talk()
        worker.assign({"reply": "log"})
        worker.values(1)
        worker.until(lambda: "to stderr" in caplog.text)
    warning, failed = worker.of(messages.Log)
    assert (warning.logger, warning.level, warning.text) == ("tests.actor", logging.WARNING, "watch out")
    assert "ValueError: this page is bad" in failed.exception
    printed = [record for record in caplog.records if record.name == "docfleet.worker.output"]
    assert [record.getMessage() for record in printed] == ["cpu#0: printed é", "cpu#0: to stderr"]
    assert {record.slot for record in printed} == {"cpu#0"}


def test_interrupts_of_the_group_are_not_for_workers(talk):
    worker = talk(ready=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.worker.pid, number)
    worker.until_said(messages.Ready)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.worker.pid, number)
    worker.assign(4)
    assert worker.values(1) == {0: Done(8)}


@pytest.mark.kills
@pytest.mark.skipif(sys.platform != "linux", reason="bound to the thread that started it on Linux only")
def test_it_dies_with_the_thread_that_started_it():
    """Also while native code holds the interpreter: no thread of the worker could notice anything."""
    box = {}
    done = threading.Event()

    def start():
        conversation = box["worker"] = Conversation(WorkerProcess.start(WorkerSpec(ACTOR), SLOT))
        conversation.until_said(messages.Ready)
        conversation.assign({"at": "compute", "do": "hang"})
        conversation.until_said(messages.Computing)
        done.wait(LIMIT_S)

    thread = threading.Thread(target=start)
    thread.start()
    while "worker" not in box or not box["worker"].of(messages.Computing):
        time.sleep(0.01)
    worker = box["worker"]
    assert worker.worker.alive
    done.set()
    thread.join()
    assert worker.until_dead().signal == signal.SIGKILL
    worker.close()


@pytest.mark.kills
def test_it_does_not_start_for_a_parent_that_has_gone(tmp_path):
    """The parent dies between fork and the moment the worker binds itself to it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "docfleet.fleet.worker_main", "0", "-1", "1", ""]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 1
    assert ended.stderr == b""
