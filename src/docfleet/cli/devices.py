"""`docfleet devices`: what there is to compute on, and what `auto` makes of it."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from docfleet.cli.flags import CONTEXT


@click.command(name="devices", context_settings=CONTEXT)
@click.option("--device", default="auto", show_default=True, help="device string to explain")
@click.option("--instances_per_device", default=1, show_default=True, help="instances on each device")
@click.option("--json", "as_json", is_flag=True, help="answer with one JSON document")
def command(device: str, instances_per_device: int, as_json: bool) -> None:
    """Show devices, engines, and the slots that a device string stands for.

    A slot is one instance: a process with its device, its threads and its CPUs. Exit status 3 if a device is not there.
    """
    from docfleet.fleet.hardware import Machine
    from docfleet.fleet.slots import slots_of

    machine = Machine.probe()
    slots = slots_of(device, instances_per_device=instances_per_device, machine=machine)
    answer: dict[str, Any] = {
        "cores": machine.usable_cores,
        "cpus": list(machine.cpus),
        "cgroup_quota": machine.quota,
        "devices": _devices(machine.nodes, machine.accelerators),
        "engines": _engines(),
        "slots": [
            {"name": slot.name, "threads": slot.threads, "cpus": sorted(slot.cpus), **_resolved(slot.device_type)}
            for slot in slots
        ],
    }
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    quota = "" if machine.quota is None else f", the cgroup allows {machine.quota:g}"
    click.echo(f"{machine.usable_cores} cores may be used ({len(machine.cpus)} by affinity{quota})\n")
    _table("device", answer["devices"])
    _table("engine", answer["engines"])
    _table(f"slots of {device!r}", {slot["name"]: _describe(slot) for slot in answer["slots"]})


def _devices(nodes: Any, accelerators: Any) -> dict[str, str]:
    """Device string -> what it is."""
    found = {"cpu": "the whole machine"}
    found |= {f"cpu:{node}": f"NUMA node {node}, CPUs {_ranges(cpus)}" for node, cpus in sorted(nodes.items())}
    for kind, count in sorted(accelerators.items()):
        found |= {f"{kind}:{number}": "accelerator" for number in range(count)}
    return found


def _engines() -> dict[str, str]:
    """Engine -> its version and what it runs on here, or how to get it."""
    found = {}
    for package in ("openvino", "onnxruntime-gpu", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if any(name.startswith("onnxruntime") for name in found):
        import onnxruntime

        name = next(name for name in found if name.startswith("onnxruntime"))
        found[name] += f", providers: {', '.join(onnxruntime.get_available_providers())}"
    return found


def _resolved(device_type: str) -> dict[str, str]:
    """The engine and the precision that `auto` means on a device type."""
    from docfleet.engines.base import resolve_engine, resolve_precision

    engine = resolve_engine("auto", device_type)
    return {"engine": engine, "precision": resolve_precision("auto", engine, device_type)}


def _describe(slot: dict[str, Any]) -> str:
    threads = f"{slot['threads']} thread{'s' if slot['threads'] > 1 else ''}"
    where = f" on CPUs {_ranges(slot['cpus'])}" if slot["cpus"] else ""
    return f"{threads}{where}, {slot['engine']} {slot['precision']}"


def _ranges(cpus: Any) -> str:
    """`0-3,8` for 0, 1, 2, 3, 8."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and cpu == parts[-1][-1] + 1:
            parts[-1].append(cpu)
        else:
            parts.append([cpu])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def _table(heading: str, rows: dict[str, str]) -> None:
    width = max([len(heading), *map(len, rows)])
    click.echo(click.style(heading, bold=True))
    for name, what in rows.items():
        click.echo(f"  {name:<{width}}  {what}")
    click.echo()
