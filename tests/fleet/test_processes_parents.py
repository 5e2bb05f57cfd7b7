"""Programs that use the fleet, run as users run them; and what is left when they end, however they end."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from tests.fleet.conftest import shared_memory

ROOT = Path(__file__).parents[2]
LIMIT_S = 60
GONE_S = 2.0
"""How soon after its parent's death no worker may be alive."""

PRELUDE = """
import itertools, os, sys, time
from docfleet.fleet.devices import Slot
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.tasks import Task
from docfleet.fleet.worker import WorkerSpec

SPEC = WorkerSpec("tests.fleet.workers:Actor", {"append": "pids"})
SLOTS = [Slot("cpu", instance=0), Slot("cpu", instance=1)]
"""

DOUBLE = """
with ProcessExecutor(SPEC, SLOTS) as executor:
    print([outcome.value for _, outcome in executor.run(Task((n,), n) for n in range(5))])
"""
DOUBLED = "[0, 2, 4, 6, 8]\n"

ENDLESS = """
executor = ProcessExecutor(SPEC, SLOTS)
for task, outcome in executor.run(Task((n,), {PAYLOAD}) for n in itertools.count()):
    if task.key[0] == 10:
        print("running", flush=True)
"""
BUSY = ENDLESS.replace("{PAYLOAD}", '{"sleep": 0.02}')
HANGING = """
import threading

executor = ProcessExecutor(SPEC, SLOTS)
outcomes = executor.run(Task((n,), {"at": "compute", "do": "hang", "touch": f"hang{n}"}) for n in range(20))
threading.Thread(target=list, args=[outcomes], daemon=True).start()
while len([name for name in os.listdir() if name.startswith("hang")]) < 2:
    time.sleep(0.01)
print("running", flush=True)
while True:
    time.sleep(1)
"""


@pytest.fixture
def folder(tmp_path):
    """Where a program runs and its temporary files go; no worker and nothing of either is left at the end."""
    (tmp_path / "tmp").mkdir()
    before = shared_memory()
    yield tmp_path
    end = time.monotonic() + GONE_S
    while (alive := workers_of(tmp_path)) and time.monotonic() < end:
        time.sleep(0.02)
    for process in alive:
        process.kill()
    assert alive == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert shared_memory() == before


def workers_of(folder: Path) -> list[psutil.Process]:
    pids = folder / "pids"
    alive = []
    for pid in map(int, pids.read_text().split()) if pids.exists() else ():
        try:
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE and "worker_main" in " ".join(process.cmdline()):
                alive.append(process)
        except psutil.NoSuchProcess:
            continue
    return alive


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder / "tmp"), "PYTHONWARNINGS": "error"}


def start(folder: Path, arguments, **more) -> subprocess.Popen:
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE, **more}
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment(folder), text=True, start_new_session=True, **more
    )


def script(folder: Path, text: str, name: str = "program.py") -> str:
    (folder / name).write_text(PRELUDE + textwrap.dedent(text))
    return name


def start_running(folder: Path, text: str, **more) -> subprocess.Popen:
    """A program that has said that it is running."""
    process = start(folder, [script(folder, text)], **more)
    try:
        line = process.stdout.readline()
        assert line == "running\n", finish(process)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return process


def finish(process: subprocess.Popen, text: str | None = None) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(text, timeout=LIMIT_S)
    finally:
        process.kill()
    return process.returncode, out, err


# Ways to run a program.


def test_a_script_without_a_guard(folder):
    assert finish(start(folder, [script(folder, DOUBLE)])) == (0, DOUBLED, "")


def test_from_standard_input(folder):
    assert finish(start(folder, ["-"]), PRELUDE + DOUBLE) == (0, DOUBLED, "")


def test_as_an_argument(folder):
    assert finish(start(folder, ["-c", PRELUDE + DOUBLE])) == (0, DOUBLED, "")


def test_typed_into_an_interactive_interpreter(folder):
    status, out, _ = finish(start(folder, ["-i", "-q"]), PRELUDE + DOUBLE.rstrip() + "\n\n")
    assert (status, out) == (0, DOUBLED)


def test_from_a_daemonic_process_of_multiprocessing(folder):
    text = f"""
import multiprocessing

def work():
{textwrap.indent(DOUBLE, "    ")}
    sys.stdout.flush()

if __name__ == "__main__":
    process = multiprocessing.get_context("METHOD").Process(target=work, daemon=True)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""
    for method in ("fork", "spawn"):
        name = script(folder, text.replace("METHOD", method))
        assert finish(start(folder, [name])) == (0, DOUBLED, "")


def test_from_a_thread_that_ends_while_the_run_goes_on(folder):
    text = """
    import threading

    box = []

    def begin():
        executor = ProcessExecutor(SPEC, SLOTS)
        outcomes = executor.run(Task((n,), n) for n in range(5))
        box.extend([executor, outcomes, next(outcomes)])

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    time.sleep(0.1)
    executor, outcomes, first = box
    print([outcome.value for _, outcome in [first, *outcomes]])
    assert sum(slot.counts.deaths for slot in executor.statistics()) == 0
    executor.close()
    """
    assert finish(start(folder, [script(folder, text)])) == (0, DOUBLED, "")


def test_a_worker_class_in_the_users_own_module(folder):
    (folder / "mine.py").write_text("from tests.fleet.workers import Actor\nclass Mine(Actor): pass\n")
    text = DOUBLE.replace("SPEC", 'WorkerSpec("mine:Mine", {"append": "pids"})')
    assert finish(start(folder, [script(folder, text)])) == (0, DOUBLED, "")


def test_a_path_that_the_program_has_added(folder):
    (folder / "hidden").mkdir()
    (folder / "hidden" / "mine.py").write_text("from tests.fleet.workers import Actor as Mine\n")
    text = "sys.path.append('hidden')\n" + DOUBLE.replace("SPEC", 'WorkerSpec("mine:Mine", {"append": "pids"})')
    text = text.replace("'hidden'", "os.path.abspath('hidden')")
    assert finish(start(folder, [script(folder, text)])) == (0, DOUBLED, "")


def test_a_worker_in_a_script_without_a_guard_is_told_what_to_do(folder):
    """Importing the script runs it, and it would start a fleet of its own, whose workers import it, and so on."""
    text = """
    from tests.fleet.workers import Actor

    class Mine(Actor):
        pass

    """ + textwrap.indent(DOUBLE.replace("SPEC", 'WorkerSpec("program:Mine")'), "    ")
    status, _, err = finish(start(folder, [script(folder, text)]))
    assert status == 1
    assert "put `if __name__ == '__main__':` around" in err


# Ways to end.


@pytest.mark.kills
@pytest.mark.parametrize("text", [BUSY, HANGING], ids=["busy", "hanging in native code"])
@pytest.mark.parametrize("group", [False, True], ids=["alone", "with its group"])
def test_the_parent_is_killed(folder, text, group):
    process = start_running(folder, text)
    assert len(workers_of(folder)) == 2
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    finish(process)


@pytest.mark.kills
def test_the_parent_is_killed_while_its_workers_start(folder):
    text = """
    SPEC.options["start"] = {"do": "sleep"}
    executor = ProcessExecutor(SPEC, SLOTS)
    while not os.path.exists("pids"):
        time.sleep(0.001)
    os.kill(os.getpid(), 9)
    """
    assert finish(start(folder, [script(folder, text)]))[0] == -signal.SIGKILL


@pytest.mark.kills
def test_the_parent_crashes(folder):
    assert finish(start(folder, [script(folder, BUSY.replace('print("running", flush=True)', "os.abort()"))]))[0] == -6


@pytest.mark.parametrize(
    "text",
    [
        BUSY.replace('print("running", flush=True)', "break"),
        BUSY.replace('print("running", flush=True)', "sys.exit(0)"),
        BUSY.replace('print("running", flush=True)', "break") + "del executor",
        "executor = ProcessExecutor(SPEC, SLOTS)",
        "executor = ProcessExecutor(SPEC, SLOTS)\noutcomes = executor.run([Task((0,), 1)])\nnext(outcomes)",
    ],
    ids=["break", "exit", "del", "never used", "run not finished"],
)
def test_a_program_that_ends_without_closing(folder, text):
    """Its workers are told to stop, and close what they hold, unless they were still starting."""
    text = "SPEC.options['closed'] = 'closed'\n" + text
    status, out, err = finish(start(folder, [script(folder, text)]))
    assert (status, out, err) == (0, "", "")
    if "executor.run(" in text:
        assert (folder / "closed").exists()


def test_an_exception_in_the_consumer(folder):
    text = "with ProcessExecutor(SPEC, SLOTS) as executor:\n    for _ in executor.run([Task((0,), 1)]): 1 / 0\n"
    status, _, err = finish(start(folder, [script(folder, text)]))
    assert status == 1
    assert err.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM as an exception"])
def test_an_interrupt_of_the_whole_group(folder, number):
    """As a terminal and a service manager send it. Workers ignore it, and end with the parent's orderly end."""
    text = "import signal\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\n" + BUSY.replace(
        "executor = ProcessExecutor(SPEC, SLOTS)",
        "SPEC.options['closed'] = 'closed'\nexecutor = ProcessExecutor(SPEC, SLOTS)",
    )
    process = start_running(folder, text)
    pids = {worker.pid for worker in workers_of(folder)}
    os.killpg(process.pid, number)
    status, _, err = finish(process)
    assert status == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert err.count("Traceback") == 1
    assert {int(pid) for pid in (folder / "closed").read_text().split()} == pids


def test_ctrl_c_at_a_terminal(folder):
    """The real thing: a terminal of its own, and the key."""
    name = script(folder, BUSY)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, name], environment(folder))
    try:
        output = b""
        while b"running" not in output:
            output += os.read(terminal, 1000)
        os.write(terminal, b"\x03")
        end = time.monotonic() + LIMIT_S
        while (waited := os.waitpid(pid, os.WNOHANG))[0] == 0 and time.monotonic() < end:
            time.sleep(0.02)
        if waited[0] == 0:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(waited[1]) == -signal.SIGINT
    finally:
        os.close(terminal)


@pytest.mark.kills
def test_ctrl_c_while_workers_hang(folder):
    """They get their time to leave, and are killed."""
    text = "from docfleet.fleet.crew import Patience\n" + HANGING.replace(
        "SLOTS)", "SLOTS, patience=Patience(leave=0.3))"
    )
    process = start_running(folder, text)
    os.killpg(process.pid, signal.SIGINT)
    assert finish(process)[0] == -signal.SIGINT


@pytest.mark.kills
def test_a_second_ctrl_c_ends_the_wait(folder):
    text = "from docfleet.fleet.crew import Patience\n" + HANGING.replace(
        "SLOTS)", "SLOTS, patience=Patience(leave=600))"
    )
    process = start_running(folder, text)
    for _ in range(50):
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
    assert finish(process)[0] in (-signal.SIGINT, 1)


def test_the_next_run_after_a_kill_starts_clean(folder):
    process = start_running(folder, BUSY)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    assert finish(start(folder, [script(folder, DOUBLE)])) == (0, DOUBLED, "")


# A program that is stopped and goes on.


@pytest.mark.kills
@pytest.mark.parametrize("whom", ["program", "program and workers"])
def test_a_program_that_is_stopped_and_goes_on_has_lost_no_worker(folder, whom):
    """For longer than its pages may take; as a debugger does it, and as Ctrl-Z and fg do it to a whole group."""
    text = """
    with ProcessExecutor(SPEC, SLOTS, timeout=0.9, max_attempts=1) as executor:
        outcomes = []
        for _, outcome in executor.run(Task((n,), {"sleep": 0.6, "value": n}) for n in range(10)):
            outcomes.append(outcome.value)
            if len(outcomes) == 2:
                print("running", flush=True)
        print(outcomes, [slot.counts.deaths for slot in executor.statistics()])
    """
    program = start_running(folder, text)
    send = os.kill if whom == "program" else os.killpg
    send(program.pid, signal.SIGSTOP)
    time.sleep(3)
    send(program.pid, signal.SIGCONT)
    assert finish(program) == (0, f"{[2 * n for n in range(10)]} [0, 0]\n", "")
