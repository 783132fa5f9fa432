#!/bin/sh
# scripts/setup.py, which says what it does; on Windows: py scripts\setup.py
exec "${PYTHON:-python3}" "$(dirname "$0")/setup.py" "$@"
