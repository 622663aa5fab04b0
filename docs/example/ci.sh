#!/usr/bin/env bash
# What our CI runs. FLOWCRAFT_CONFORMANCE: what pip installs, by default the newest release.
set -euo pipefail
cd "$(dirname "$0")"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check "${FLOWCRAFT_CONFORMANCE:-flowcraft-conformance}"
.venv/bin/python -m pytest --flowcraft-strict --flowcraft-report=conformance.html --flowcraft-report=conformance.json "$@"
