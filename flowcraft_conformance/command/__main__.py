"""``python -m flowcraft_conformance.command`` is the same command."""

from __future__ import annotations

from flowcraft_conformance.command.main import main

if __name__ == "__main__":
    raise SystemExit(main())
