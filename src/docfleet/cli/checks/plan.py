"""What the job that is thought of would be made of."""

from __future__ import annotations

import functools

from docfleet.batch.sizes import sized
from docfleet.cli.checks.check import Question
from docfleet.fleet.devices import Slot
from docfleet.pipelines.catalog import find
from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.executors import choose_slots
from docfleet.pipelines.options import parse


def options_of(question: Question) -> CommonOptions:
    """The options of its pipeline. Raises UsageError for a pipeline that there is not."""
    given = {"device": question.device, "instances_per_device": question.instances_per_device}
    return parse(find(question.pipeline).load_options(), given)


@functools.cache
def slots_of_job(question: Question) -> tuple[Slot, ...]:
    """Its slots, as `docfleet run` would choose them. Raises UsageError, DeviceError."""
    # Once: where there are GPUs their driver takes seconds to answer.
    return tuple(choose_slots(sized(options_of(question))))
