"""The options of a run, read and checked: a wrong one is one message and exit code 4."""

from __future__ import annotations

import datetime
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.harness.profile import PROFILES, Profile
from flowcraft_conformance.harness.replay import is_token
from flowcraft_conformance.harness.target import TargetSpec
from flowcraft_conformance.report.files import WRITERS
from flowcraft_conformance.report.known_failures import KnownFailure, KnownFailuresError, read_known_failures


@dataclass(frozen=True, slots=True)
class KitOptions:
    """What the user asked for."""

    specs: tuple[TargetSpec, ...]
    from_command_line: bool
    profile: Profile
    seed: int
    reports: tuple[Path, ...]
    strict: bool
    known_failures: Mapping[str, KnownFailure]
    proxy_variables: tuple[str, ...]
    benchmark: bool
    plot: Path | None
    replay: str | None


def read_options(config: pytest.Config) -> KitOptions:
    """The options of this run.

    Raises:
        pytest.UsageError: an option that cannot be used.
    """
    named = {kind: config.getoption(f"flowcraft_{kind}") for kind in Target}
    in_ini = {kind: config.getini(f"flowcraft_{kind}") for kind in Target}
    specs = dict.fromkeys(
        TargetSpec(kind, text) for kind in Target for text in named[kind] or in_ini[kind]
    )  # a dict, so that a target named twice is checked once
    return KitOptions(
        specs=tuple(specs),
        from_command_line=any(named.values()),
        profile=_profile(config.getoption("flowcraft_profile")),
        seed=_seed(config),
        reports=tuple(_report(config, text) for text in config.getoption("flowcraft_report")),
        strict=config.getoption("flowcraft_strict"),
        known_failures=_known_failures(config.getoption("flowcraft_known_failures")),
        proxy_variables=tuple(dict.fromkeys(_variable(text) for text in config.getoption("flowcraft_proxy"))),
        replay=_replay(config.getoption("flowcraft_replay")),
        benchmark=_benchmark(config, bool(specs)),
        plot=_plot(config),
    )


def _benchmark(config: pytest.Config, has_targets: bool) -> bool:
    wanted: bool = config.getoption("flowcraft_benchmark")
    if wanted and not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError(
            "--flowcraft-benchmark needs pytest-benchmark, which is not installed or switched off by -p no:benchmark: "
            "pip install 'flowcraft-conformance[bench]'"
        )
    if wanted and not has_targets:
        raise pytest.UsageError(
            "--flowcraft-benchmark: there is nothing to measure; name a target by --flowcraft-adapter, "
            "--flowcraft-context or --flowcraft-store"
        )
    return wanted


def _plot(config: pytest.Config) -> Path | None:
    text = config.getoption("flowcraft_benchmark_plot")
    if text is None:
        return None
    if not config.getoption("flowcraft_benchmark"):
        raise pytest.UsageError(
            f"--flowcraft-benchmark-plot={text}: it draws what --flowcraft-benchmark measures; add it"
        )
    path: Path = config.invocation_params.dir / text
    if path.suffix != ".svg" or not path.parent.is_dir() or path.is_dir():
        raise pytest.UsageError(f"--flowcraft-benchmark-plot={text}: name an .svg file in a folder that exists")
    return path


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise pytest.UsageError(f"--flowcraft-profile={name}: unknown; choose {', '.join(PROFILES)}")
    return PROFILES[name]


def _variable(text: str) -> str:
    if not text.isidentifier():
        raise pytest.UsageError(
            f"--flowcraft-proxy={text}: name an environment variable that holds a server's URL or host:port"
        )
    return text


def _seed(config: pytest.Config) -> int:
    handed_down = getattr(config, "workerinput", {}).get("flowcraft_seed")
    if handed_down is not None:
        return int(handed_down)
    text = config.getoption("flowcraft_seed")
    if text is None:
        return random.SystemRandom().randrange(2**31)
    if not text.isdecimal():
        raise pytest.UsageError(f"--flowcraft-seed={text}: a seed is a whole number from 0")
    return int(text)


def _replay(token: str | None) -> str | None:
    if token is not None and not is_token(token):
        raise pytest.UsageError(
            f"--flowcraft-replay={token}: no token; one of a schedule looks like 0:3=1+17=2, "
            "one of a captured run like diamond/c41+"
        )
    return token


def _report(config: pytest.Config, text: str) -> Path:
    path = config.invocation_params.dir / text
    if path.suffix not in WRITERS:
        raise pytest.UsageError(
            f"--flowcraft-report={text}: the suffix decides the format; choose {', '.join(WRITERS)}"
        )
    if path.is_dir() or not path.parent.is_dir():
        problem = "is a folder" if path.is_dir() else f"cannot be written: there is no folder {path.parent}"
        raise pytest.UsageError(f"--flowcraft-report={text} {problem}")
    if not hasattr(config, "workerinput"):
        _try_to_write(path, text)
    return path


def _try_to_write(path: Path, text: str) -> None:
    """Find out before the run, and leave everything as it was."""
    existed = path.exists()
    try:
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise pytest.UsageError(f"--flowcraft-report={text} cannot be written: {error.strerror}") from error


def _known_failures(text: str | None) -> Mapping[str, KnownFailure]:
    if text is None:
        return {}
    today = datetime.datetime.now(tz=datetime.UTC).date()
    try:
        return read_known_failures(Path(text), today)
    except KnownFailuresError as error:
        raise pytest.UsageError(f"--flowcraft-known-failures: {error}") from error
