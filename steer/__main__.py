"""``python -m steer`` is ``steer``."""

from steer.cli import main

main()
