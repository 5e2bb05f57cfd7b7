"""Where a pipeline is called from: it works the same, ends quietly, and no worker outlives the program."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

from tests.pipelines.programs import READ, TINY, TWO, Ended, Programs

pytestmark = pytest.mark.weights

PLAIN = """
from docfleet import PaddleOCR
from tests.pipelines.programs import TWO, read, workers

ocr = PaddleOCR(**TWO)
print(read(ocr), len(workers()))
"""
CLOSED = PLAIN + "ocr.close()\nprint(len(workers()))\n"
RIGHT = f"{READ} 2\n"


def test_what_is_left_behind_is_found(programs: Programs) -> None:
    """Or the other tests would not fail if it were."""
    text = """
import subprocess, sys
sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(sleeping, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""
    assert programs.run(["-c", text], PYTHONWARNINGS="") == Ended(0, "", "")
    [found] = programs.left_behind()
    found.kill()


def test_a_script_without_a_guard(programs: Programs) -> None:
    assert programs.run([programs.script(PLAIN)]) == Ended(0, RIGHT, "")


def test_a_script_that_closes_what_it_made(programs: Programs) -> None:
    assert programs.run([programs.script(CLOSED)]) == Ended(0, RIGHT + "0\n", "")


def test_from_standard_input(programs: Programs) -> None:
    assert programs.run(["-"], given=PLAIN) == Ended(0, RIGHT, "")


def test_as_an_argument(programs: Programs) -> None:
    assert programs.run(["-c", PLAIN]) == Ended(0, RIGHT, "")


def test_from_a_thread(programs: Programs) -> None:
    """Made and used in one thread, then used in another after the first has ended."""
    text = """
import threading
from docfleet import PaddleOCR
from tests.pipelines.programs import TWO, read, workers

made = []

def begin():
    made.append(PaddleOCR(**TWO))
    print(read(made[0]), len(workers()))

thread = threading.Thread(target=begin)
thread.start()
thread.join()
before = {process.pid for process in workers()}
print(read(made[0]), len(workers()))
assert {process.pid for process in workers()} == before, "they died with the thread"
"""
    assert programs.run([programs.script(text)]) == Ended(0, RIGHT * 2, "")


DAEMON = """
import multiprocessing, sys

def work():
    {work}

if __name__ == "__main__":
    process = multiprocessing.get_context("{method}").Process(target=work, daemon=True)
    process.start()
    {then}
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("text", [PLAIN, CLOSED], ids=["left open", "closed"])
def test_from_a_daemonic_process_of_multiprocessing(programs: Programs, method: str, text: str) -> None:
    """Such a process may have no children of multiprocessing's own; and it ends without finalizers."""
    work = textwrap.indent(text, "    ").strip()
    program = DAEMON.format(work=work, method=method, then="process.join()\n    sys.exit(process.exitcode)")
    right = RIGHT if text is PLAIN else RIGHT + "0\n"
    assert programs.run([programs.script(program)]) == Ended(0, right, "")


def test_a_daemonic_process_that_is_terminated_in_the_middle(programs: Programs) -> None:
    """As multiprocessing does with daemonic processes that still run when the program ends."""
    work = """
    import itertools
    from docfleet import PaddleOCR
    from tests.pipelines.programs import TWO, workers, written

    for number, result in enumerate(PaddleOCR(**TWO).predict_iter(written("again") for _ in itertools.count())):
        if number == 2:
            print(result.texts, len(workers()), flush=True)
            sending.send("running")
    """
    program = DAEMON.format(work=work.strip(), method="fork", then="assert receiving.recv() == 'running'")
    program = program.replace("def work", "receiving, sending = multiprocessing.Pipe()\n\ndef work")
    assert programs.run([programs.script(program)]) == Ended(0, "['again'] 2\n", "")


FORK = """
import os
from docfleet import PaddleOCR
from docfleet.errors import ClosedError
from tests.pipelines.programs import TINY, read, workers, written

options = {options}
ocr = PaddleOCR(**options)
pages = ocr.predict_iter(written(f"parent {{n}}") for n in range(4))
texts = [next(pages).texts]
if (child := os.fork()) == 0:
    for use in (lambda: list(pages), lambda: ocr.predict(written("mine"))):
        try:
            use()
        except ClosedError as error:
            print("fork" in str(error), flush=True)
    ocr = PaddleOCR(**options)
    print(read(ocr), len(workers()), flush=True)
    ocr.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(texts + [page.texts for page in pages], len(workers()))
"""


@pytest.mark.parametrize(("options", "count"), [(TWO, 2), (TINY, 0)], ids=["processes", "serial"])
def test_from_a_process_forked_while_a_pipeline_works(programs: Programs, options: dict[str, Any], count: int) -> None:
    """The child makes its own in the place of the one that it has inherited; the parent's goes on."""
    right = f"True\nTrue\n{READ} {count}\n{[[f'parent {n}'] for n in range(4)]} {count}\n"
    # Python warns of forks with threads from 3.12 on.
    arguments = ["-W", "ignore::DeprecationWarning", programs.script(FORK.format(options=options))]
    assert programs.run(arguments) == Ended(0, right, "")


CELLS = [
    "import os, signal",
    "from docfleet import PaddleOCR\nfrom tests.pipelines.programs import TWO, read, workers, written",
    "ocr = PaddleOCR(**TWO)",
    "read(ocr), len(workers())",
    # What the stop button does: SIGINT to the kernel's group, the workers among it.
    "for result in ocr.predict_iter(written('stop') for _ in range(1000)):\n    os.killpg(0, signal.SIGINT)",
    "read(ocr), len(workers())",
    "ocr = PaddleOCR(**TWO)\nread(ocr), len(workers())",
]
NOTEBOOK = """
import json, sys
import nbclient, nbformat

cells = [nbformat.v4.new_code_cell(source) for source in json.load(sys.stdin)]
notebook = nbformat.v4.new_notebook(cells=cells)
nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3", allow_errors=True).execute()
for cell in notebook.cells:
    for output in cell.outputs:
        print(output["data"]["text/plain"] if "data" in output else output)
"""


def test_from_a_notebook(programs: Programs) -> None:
    """A cell is stopped, a pipeline is made anew, none is closed: the kernel ends and nothing is left."""
    own = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    ended = programs.run(
        ["-c", NOTEBOOK],
        given=json.dumps(CELLS),
        # Libraries of Jupyter warn and do not expect that to be an error.
        PYTHONWARNINGS="",
        **dict.fromkeys(own, str(programs.folder)),
    )
    assert (ended.status, "Traceback" in ended.err) == (0, False), ended.err
    read, stopped, read_on, read_anew = ended.out.splitlines()
    assert "'ename': 'KeyboardInterrupt'" in stopped
    assert [read, read_on, read_anew] == [f"({READ}, 2)"] * 3
