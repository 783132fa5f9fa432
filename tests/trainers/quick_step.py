"""A training step that takes no time: writes its name down, waits, ends with a code."""

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    diary, name, seconds, code = sys.argv[1:]
    with Path(diary).open("a", encoding="utf-8") as f:
        f.write(f"{name}\n")
    time.sleep(float(seconds))
    sys.exit(int(code))
