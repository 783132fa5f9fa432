"""``steer models``: the presets, and which of them this machine can run."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.markup import escape
from rich.table import Column, Table

from steer.cli.console import console
from steer.cli.options import AsJson


def models(as_json: AsJson = False) -> None:
    """List the presets, and whether this machine can run them.

    Memory is for one picture at a time, from published parameter counts: all on the GPU / with offloading.

    A preset also needs a reward model; the column says whether it is on this disk.
    """
    from steer.models import model_facts, this_machine

    machine = this_machine()
    facts = model_facts(machine)
    if as_json:
        print(json.dumps({"machine": asdict(machine), "models": [asdict(f) for f in facts]}))
        return
    columns = (
        Column("preset", no_wrap=True),
        "what",
        Column("licence", overflow="fold"),
        "GiB",
        "on disk",
        "reward",
        "runs here",
    )
    table = Table(*columns, box=None, pad_edge=False)
    for f in facts:
        need = f"{f.memory:.0f} / {f.least:.0f}" if f.memory >= 5 else "< 2"
        table.add_row(
            f"[bold]{f.preset}[/]",
            escape(f.about),
            f.licence + (", gated" if f.gated else ""),
            need,
            f.cached,
            "not here" if f.reward_cached == "no" else f.reward_cached,
            escape(f.here),
        )
    console.print(table)
    console.print(f"\nthis machine: {escape(machine.name)}, {machine.free:.0f} GiB free")
    console.print("to use a preset: --config NAME")
    if absent := sorted({f.reward for f in facts if f.reward_cached == "no"}):
        console.print(f"to train a reward such as {', '.join(absent)}: steer reward train -c pamela")
