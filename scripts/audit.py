"""Known vulnerabilities in requirements.lock, by pip-audit: `make audit` runs it.

Exit code 1 if there are any. Where the advisory service cannot be asked, it says so and exits with 0, so that CI may
run it anywhere.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PIP_AUDIT = "pip-audit==2.10.1"


def verdict(packages: list[dict[str, Any]]) -> tuple[list[str], int]:
    """What to print and the exit code, of the "dependencies" of pip-audit's JSON."""
    asked = [p for p in packages if "skip_reason" not in p]
    found = [
        f"{p['name']} {p['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'no version yet'}"
        for p in asked
        for v in p["vulns"]
    ]
    if not asked:
        return ["nothing was audited: the advisory service knows none of these packages, or cannot be reached"], 0
    unasked = [p["name"] for p in packages if "skip_reason" in p]
    found += [f"not audited: {', '.join(unasked)}"] if unasked else []
    return [*found, f"{len(asked)} packages audited"], int(any(p["vulns"] for p in asked))


def main() -> int:
    """The exit code."""
    uv = Path(sys.executable).with_name("uv")
    ask = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    command = [str(uv), "tool", "run", PIP_AUDIT, *ask, "--requirement", str(ROOT / "requirements.lock")]
    told = subprocess.run(command, capture_output=True, text=True)
    try:
        packages = json.loads(told.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (told.stderr.strip() or "it said nothing").splitlines()[-1]
        print(f"nothing was audited: pip-audit cannot run here: {reason}")
        return 0
    lines, code = verdict(packages)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
