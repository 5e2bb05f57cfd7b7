"""Workers for the tests: each task's payload says what happens to it, and where.

A payload is a plain value, which is doubled, or a dict with `at` (read, compute or write) and `do`, one of ACTIONS.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from docfleet.errors import InputError, StartError
from docfleet.fleet.tasks import Expanded


def hang():
    """In native code, with the GIL held: no Python code of this process runs any more."""
    ctypes.PyDLL(None).pause()


def eat_memory():
    """Until the limit of the address space, or of the machine."""
    return bytearray(1 << 50)


def raise_memory_error():
    raise MemoryError("no room")


def fail():
    raise ValueError("this page is bad")


def reject():
    raise InputError("bad.png: not an image")


def flood():
    for _ in range(20_000):
        print("x" * 100)
    print("no end of line" * 10_000, end="", file=sys.stderr)
    return "flooded"


def die_soon():
    """After the page has been delivered, and while nothing is being done."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return "x" * 100_000


def orphan_and_die(payload):
    program = subprocess.Popen(["sleep", "600"])
    Path(f"{payload['once']}.pid").write_text(str(program.pid))
    os.kill(os.getpid(), signal.SIGKILL)


ACTIONS = {
    "flood": flood,
    "die soon": die_soon,
    "abort": os.abort,
    "segfault": faulthandler._sigsegv,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
    "sys.exit": lambda: sys.exit(5),
    "hang": hang,
    "sleep": lambda: time.sleep(600),
    "nap": lambda: time.sleep(0.3),
    "memory": eat_memory,
    "fail": fail,
    "reject": reject,
    "unencodable": object,
}


class Actor:
    """Doubles numbers and arrays. A dict payload may carry:

    at, do     perform ACTIONS[do] in that step
    once       a path: the action is performed by whoever creates this file first
    value      doubled if there is no action
    parts      in read: the task is an Expanded into these
    sleep      seconds to wait in compute
    touch      a path to create when compute begins
    wait       a path: compute waits until it exists
    reply      what to return instead: "pid", "environment", "slot", "cpus", "modules"
    """

    def __init__(self, options, slot):
        self.options, self.slot = options, slot
        self.fits = options.get("fits")
        if "append" in options:
            with Path(options["append"]).open("a") as file:
                file.write(f"{os.getpid()}\n")
        perform = options.get("start")
        if perform and (perform.get("slot") in (None, slot.name)) and claimed(perform):
            if perform["do"] == "refuse":
                raise StartError("the weights are not here: run `docfleet models pull`")
            ACTIONS[perform["do"]]()

    def read(self, task):
        payload = task.payload
        if task.part is not None:
            return task.part
        if isinstance(payload, dict):
            if "parts" in payload:
                return Expanded(payload["parts"])
            self._act("read", payload)
        return payload

    def compute(self, items):
        if self.fits is not None and len(items) > self.fits:
            raise_memory_error()
        return [self._compute(item) for item in items]

    def _compute(self, item):
        if not isinstance(item, dict):
            return double(item)
        if "touch" in item:
            Path(item["touch"]).touch()
        while "wait" in item and not Path(item["wait"]).exists():
            time.sleep(0.005)
        time.sleep(item.get("sleep", 0))
        value = self._act("compute", item)
        if value is not None:
            return value
        if "reply" in item:
            return self._reply(item["reply"])
        return double(item.get("value", 0))

    def _reply(self, what):
        match what:
            case "pid":
                return os.getpid()
            case "environment":
                return dict(os.environ)
            case "slot":
                return [self.slot.name, self.slot.library_id, self.slot.threads]
            case "cpus":
                return sorted(os.sched_getaffinity(0))
            case "modules":
                return sorted(sys.modules)
            case "main":
                return str(sys.modules["__main__"].__file__)
            case "log":
                logging.getLogger("tests.actor").warning("watch %s", "out")
                try:
                    fail()
                except ValueError:
                    logging.getLogger("tests.actor").exception("it failed")
                logging.getLogger("tests.actor").debug("nobody asked")
                print("printed", "é")
                print("to stderr", file=sys.stderr)
                return None
            case "array":
                return np.arange(100_000, dtype=np.int16)

    def write(self, task, value):
        if isinstance(task.payload, dict):
            self._act("write", task.payload)
        return value

    def close(self):
        if "closed" in self.options:
            with Path(self.options["closed"]).open("a") as file:
                file.write(f"{os.getpid()}\n")

    def _act(self, step, payload):
        if payload.get("at") == step and claimed(payload):
            if payload["do"] == "orphan and die":
                orphan_and_die(payload)
            return ACTIONS[payload["do"]]()
        return None


class Babbler:
    """Returns what it gets; writes noise into its own socket before the fifth task, once."""

    def __init__(self, options, slot):
        self.options = options

    def read(self, task):
        return task.payload

    def compute(self, items):
        if 4 in items and claimed(self.options):
            for path in list(Path("/proc/self/fd").iterdir()):
                if path.is_symlink() and str(path.readlink()).startswith("socket:"):
                    os.write(int(path.name), b"\xff" * 100)
            time.sleep(600)
        return items

    def write(self, task, value):
        return value

    def close(self):
        pass


def claimed(payload):
    """Whether this action is for us: always, or once only."""
    if "once" not in payload:
        return True
    try:
        os.close(os.open(payload["once"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def double(value):
    return value * 2
