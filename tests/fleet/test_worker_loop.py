"""Where a stage's time goes. The loop itself is tested in real workers: see test_worker_main."""

from docfleet.fleet.worker_loop import StageClock


def test_seconds_add_up_by_state():
    now = 100.0
    clock = StageClock(lambda: now)
    now = 101.0
    clock.switch("busy")
    now = 103.0
    assert clock.seconds() == (2.0, 1.0, 0.0)
    clock.switch("blocked")
    now = 107.0
    clock.switch("starved")
    now = 107.5
    assert clock.seconds() == (2.0, 1.5, 4.0)
