"""What the crew makes of what workers say. How they live and die is in test_processes_deaths."""

import selectors

import pytest

from docfleet.fleet import messages
from docfleet.fleet.board import BoardView, Lookout
from docfleet.fleet.crew import Crew, Patience, _Life, _Phase
from docfleet.fleet.devices import Slot
from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.worker import WorkerSpec

SLOTS = [Slot("cpu")]


@pytest.fixture
def crew():
    with selectors.DefaultSelector() as selector:
        yield Crew(WorkerSpec("a:b"), SLOTS, scheduler=Scheduler(SLOTS), selector=selector, patience=Patience())


def test_a_worker_is_quick_after_some_quick_tasks_and_until_several_were_not(crew):
    view = BoardView()
    view.close()
    life = _Life(7, 0, None, _Phase.READY, Lookout(view))

    def hear(count, message):
        """So many of these; what the scheduler is to be told of the worker's pace."""
        crew.events.clear()
        for _ in range(count):
            crew._hear(life, message, 0.0)
        return [arguments for event, arguments in crew.events if event == crew._scheduler.quick]

    quick = messages.Finished(1, messages.WireDone(None), untold=True)
    slow = messages.Computing([2])
    told = messages.Finished(2, messages.WireDone(None))
    assert hear(7, quick) == []
    assert hear(3, told) == []
    assert hear(1, quick) == [(7, True)]
    assert hear(100, quick) == []
    assert hear(1, slow) == [], "it may just have been interrupted"
    assert hear(1, slow) == [(7, False)]
    assert hear(10, slow) == []
    assert hear(7, quick) == []
    assert hear(1, quick) == [(7, True)]
    assert hear(1, slow) == [(7, False)]
