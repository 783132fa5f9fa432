"""Draw a file of prompts for several users, and write one table of all of them.

    python examples/prompt_file.py prompts/examples/holiday.txt u17 u3

Run it again after an interruption: it goes on where it stopped, and adds to the table.
"""

import csv
import sys
from pathlib import Path

from steer import Steerer

HOLIDAY = Path(__file__).parents[1] / "prompts" / "examples" / "holiday.txt"


def main(file: str | Path = HOLIDAY, *users: str, budget: int = 4) -> None:
    """One row per prompt and user (u17 and u3 where none is named), with the gain and the best text."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    prompts = [line for line in lines if line.strip() and not line.startswith("#")]
    rows = [{"prompt": prompt, "user": user, "budget": budget} for user in users or ("u17", "u3") for prompt in prompts]
    with open("gains.csv", "a", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        if out.tell() == 0:
            table.writerow(["user", "prompt", "gain", "text", "folder"])
        for result in Steerer("miniature").batch(rows, out="outputs/prompt-file"):
            request, text = result.request, result.winner.rewrite.text if result.winner else ""
            table.writerow([request.user, request.prompt, f"{result.gain:+.3f}", text, result.folder])
            print(f"{request.user}  {request.prompt}  {result.gain:+.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
