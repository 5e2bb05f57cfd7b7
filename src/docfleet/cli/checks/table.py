"""Everything that is looked at, in the order in which it is shown."""

from __future__ import annotations

EXAMINATIONS: tuple[tuple[str, str], ...] = (
    ("python", "docfleet.cli.checks.software:python"),
    ("libraries", "docfleet.cli.checks.software:libraries"),
    ("engines", "docfleet.cli.checks.software:engines"),
    ("devices", "docfleet.cli.checks.machine:devices"),
    ("instances", "docfleet.cli.checks.software:instances"),
    ("memory", "docfleet.cli.checks.machine:memory"),
    ("shared memory", "docfleet.cli.checks.machine:shared_memory"),
    ("open files", "docfleet.cli.checks.machine:open_files"),
    ("processes", "docfleet.cli.checks.machine:processes"),
    ("networks", "docfleet.cli.checks.weights:networks"),
    ("cache folder", "docfleet.cli.checks.weights:cache_folder"),
    ("output folder", "docfleet.cli.checks.folders:output"),
    ("temporary folder", "docfleet.cli.checks.folders:temporary"),
    ("clock", "docfleet.cli.checks.machine:clock"),
)
"""Name -> `module:function` of an `Examination`. Imported by the process that does the looking, one by one."""
