"""A pytest run as a user starts it: in a folder of their own, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

BOUND_SECONDS = 300.0
"""How long a process of pytest may take on a machine that is loaded many times over; without load it takes seconds."""


def prepare(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, **modules: str) -> pytest.Pytester:
    """The folder, with these modules in it and the kit importable."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    pytester.makepyfile(**modules)
    return pytester


def run(folder: pytest.Pytester, *arguments: str, within: float = BOUND_SECONDS) -> pytest.RunResult:
    """One run; a test fails where it takes longer than so many seconds."""
    return folder.runpytest_subprocess("--flowcraft-profile=quick", *arguments, timeout=within)
