"""Seconds and peak memory of the main job as a user starts it, and that it repeats itself.

python benchmarks/main_job.py [--runs 3]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import typer
from PIL import Image

COMMAND = ["run", "--user", "u17", "--prompt", "a lighthouse by the sea"]


def main(runs: int = 3) -> None:
    seconds, pictures = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(runs):
            out = Path(folder) / str(i)
            begun = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "steer", *COMMAND, "--out", str(out)], check=True, stdout=subprocess.DEVNULL
            )
            seconds.append(round(time.monotonic() - begun, 1))
            pictures.append([Image.open(p).tobytes() for p in sorted((out / "pictures").glob("*.png"))])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    report = {
        "median seconds": median(seconds),
        "all": seconds,
        "peak GiB": round(peak, 2),
        "pictures": len(pictures[0]),
        "same pictures every time": all(p == pictures[0] for p in pictures),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    typer.run(main)
