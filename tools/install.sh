#!/usr/bin/env bash
# Make .venv with the tested versions. What the system lacks is installed where we are root, else named in one line.
#
#   tools/install.sh [EXTRAS]      e.g. cpu or cpu,test
set -euo pipefail
cd "$(dirname "$0")/.."
extras=${1:-cpu}

suitable() { # a Python that Paddle 2.6.2 has wheels for
    command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))'
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.10}; do
        if suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

has_library() { # whether the dynamic linker finds a shared library
    "$python" -c "import ctypes; ctypes.CDLL('$1')" 2>/dev/null
}

missing_packages() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo "python3-venv"
    has_library libgomp.so.1 || echo "libgomp1"
    has_library libGL.so.1 || echo "libgl1"
    has_library libgthread-2.0.so.0 || echo "libglib2.0-0"
}

python=$(find_python)
if [ -z "$python" ]; then
    echo "No Python 3.10, 3.11 or 3.12 found. On Debian or Ubuntu: apt-get install python3 python3-venv" >&2
    exit 1
fi

packages=$(missing_packages | tr '\n' ' ')
if [ -n "$packages" ]; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        echo "Installing what the system lacks: $packages"
        apt-get update -qq
        # shellcheck disable=SC2086  # one word a package
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
    else
        echo "The system lacks libraries. Run this as root, then start again: apt-get install $packages" >&2
        exit 1
    fi
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable ".[$extras]"
