"""``steer models``: the presets, and which of them this machine can run."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from steer.cli.console import console
from steer.cli.options import AsJson


def models(as_json: AsJson = False) -> None:
    """List the presets: licence, memory, whether the weights are on disk, and whether this machine can run them.

    Memory is computed from published parameter counts, for one picture at a time: all on the GPU / with offloading.
    """
    from steer.models import model_facts, this_machine

    machine = this_machine()
    facts = model_facts(machine)
    if as_json:
        print(json.dumps({"machine": asdict(machine), "models": [asdict(f) for f in facts]}))
        return
    table = Table("preset", "what", "licence", "GiB", "on disk", "runs here", box=None, pad_edge=False)
    for f in facts:
        need = f"{f.memory:.0f} / {f.least:.0f}" if f.memory >= 5 else "< 2"
        table.add_row(
            f"[bold]{f.preset}[/]",
            escape(f.about),
            f.licence + (", gated" if f.gated else ""),
            need,
            f.cached,
            escape(f.here),
        )
    console.print(table)
    console.print(f"\nthis machine: {escape(machine.name)}, {machine.free:.0f} GiB free; use one with --config PRESET")
