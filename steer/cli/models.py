"""``steer models``: the presets, and which of them this machine can run."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.markup import escape
from rich.table import Column, Table

from steer.cli.console import console, print_line, print_text
from steer.cli.options import AsJson

COLUMNS = ("preset", "GiB", "on disk", "reward", "its model", "runs here")
REWARDS = {"prompted": "no training", "trained": "trained"}


def models(as_json: AsJson = False) -> None:
    """List the presets, and whether this machine can run them.

    Memory is for one picture at a time, from published parameter counts: all on the GPU / with offloading.

    A preset also needs a reward: one that was trained, or a model that is asked and needs no training.
    """
    from steer.models import model_facts, this_machine

    machine = this_machine()
    facts = model_facts(machine)
    if as_json:
        print_line(json.dumps({"machine": asdict(machine), "models": [asdict(f) for f in facts]}))
        return
    table = Table(*(Column(name, no_wrap=True) for name in COLUMNS), box=None, pad_edge=False)
    for f in facts:
        need = f"{f.memory:.0f} / {f.least:.0f}" if f.memory >= 5 else "< 2"
        held = "not here" if f.reward_cached == "no" else f.reward_cached
        runs = "no" if f.here.startswith("no") else f.here.split(",")[0]
        table.add_row(f"[bold]{f.preset}[/]", need, f.cached, REWARDS.get(f.kind, f.kind), held, runs)
    console.print(table)
    console.print()
    for f in facts:
        gated = ", gated" if f.gated else ""
        missing = "" if f.here == "yes" else f"; {f.here.removeprefix('no: ')}"
        print_text(f.preset, escape(f"{f.about}; {f.licence}{gated}{missing}"), width=15)
    console.print(f"\nthis machine: {escape(machine.name)}, {machine.free:.0f} GiB free")
    console.print("to use a preset: --config NAME; what it will fetch and cost: steer doctor --config NAME")
    console.print("without a GPU, with an API key: --config api")
    console.print("to train a reward: steer reward train -c pamela, then add --set reward=pamela")
