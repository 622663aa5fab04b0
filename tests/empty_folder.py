"""A pytest run as a user starts it: in a folder of their own, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


def prepare(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, **modules: str) -> pytest.Pytester:
    """The folder, with these modules in it and the kit importable."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    pytester.makepyfile(**modules)
    return pytester


def run(folder: pytest.Pytester, *arguments: str, within: float = 120) -> pytest.RunResult:
    """One run; a test fails where it takes longer than so many seconds."""
    return folder.runpytest_subprocess("--flowcraft-profile=quick", *arguments, timeout=within)
