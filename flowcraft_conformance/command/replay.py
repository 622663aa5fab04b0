"""``replay``: one schedule or one plan again, from the token that a failure shows."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowcraft_conformance.command.pytest_run import run_pytest
from flowcraft_conformance.command.run import TARGETS, add_target_options
from flowcraft_conformance.command.ways import CommandError, report_of, say
from flowcraft_conformance.contract.clauses import clause as look_up
from flowcraft_conformance.contract.clauses import clauses_for
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.harness.replay import ENDED_WELL, is_token

_USAGE_ERROR = 4
_INTERRUPTED = 2


@dataclass(frozen=True, slots=True)
class _Failure:
    """Where a token belongs to."""

    kind: str
    target: str
    clause: str
    seed: str
    profile: str


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "replay",
        help="run one schedule or plan of a failure again",
        description="Run the one schedule (0:3=1+17=2) or captured run (diamond/c41+) of a failure again. A JSON "
        "report knows the rest; without one give the target, the clause, and the seed of the run. Exit code 1 where it "
        "fails again.",
        allow_abbrev=False,
    )
    parser.add_argument("token", metavar="TOKEN")
    parser.add_argument("--report", metavar="REPORT.json", help="the report that shows the token")
    add_target_options(parser)
    parser.add_argument("--clause", metavar="CLAUSE", help="the clause that the token is about")
    parser.add_argument(
        "--seed", metavar="N", help="the seed of the run; a schedule needs it, a plan on a random graph too"
    )
    parser.add_argument("--profile", metavar="PROFILE", help="the profile of the run")
    parser.set_defaults(call=_replay)


def _replay(chosen: argparse.Namespace) -> int:
    if not is_token(chosen.token):
        raise CommandError(
            f"{chosen.token!r} is no token; one of a schedule looks like 0:3=1+17=2, one of a captured run like "
            "diamond/c41+"
        )
    failure = _of_report(chosen) if chosen.report is not None else _of_options(chosen)
    with tempfile.TemporaryDirectory(prefix="flowcraft-replay-") as folder:
        report = Path(folder) / "replay.json"
        words = [
            f"--flowcraft-{failure.kind}={failure.target}",
            f"--flowcraft-replay={chosen.token}",
            f"--flowcraft-seed={failure.seed}",
            f"--flowcraft-profile={failure.profile}",
            "-k",
            failure.clause,
        ]
        say(f"pytest {shlex.join(words)}\n")
        code = run_pytest([*words, f"--flowcraft-report={report}", "-q", "-p", "no:cacheprovider"])
        if code in (_INTERRUPTED, _USAGE_ERROR) or not report.exists():
            return code
        return _told(chosen.token, failure, str(report))


def _told(token: str, failure: _Failure, report: str) -> int:
    """What came of it in a sentence, and the exit code."""
    clauses = {one["id"]: one for one in report_of(report)["clauses"]}
    clause = clauses.get(failure.clause, {"verdict": "not judged", "evidence": ""})
    if clause["verdict"] == "fail":
        say(f"\n{token} breaks {failure.clause} again\n")
        return 1
    if clause["verdict"] == "inconclusive" and ENDED_WELL in clause["evidence"]:
        say(f"\n{token} does not break {failure.clause}: either it was mended, or the target does not repeat itself\n")
        return 0
    raise CommandError(
        f"no check of {failure.clause} could replay {token} on this target ({clause['verdict']}: {clause['evidence']})"
    )


def _of_report(chosen: argparse.Namespace) -> _Failure:
    """From the report, where the token stands."""
    report = report_of(chosen.report)
    found = [clause for clause in report["clauses"] if clause.get("details", {}).get("token") == chosen.token]
    if chosen.clause is not None:
        found = [clause for clause in found if clause["id"] == chosen.clause]
    if not found:
        known = {clause["id"]: clause["details"]["token"] for clause in report["clauses"] if _has_token(clause)}
        listed = ", ".join(f"{token} ({clause})" for clause, token in known.items()) or "none"
        raise CommandError(f"{chosen.report} does not show {chosen.token}; its tokens are: {listed}")
    if len(found) > 1:
        names = ", ".join(clause["id"] for clause in found)
        raise CommandError(f"{chosen.report} shows {chosen.token} for several clauses: give --clause, one of {names}")
    target = report["target"]
    if "::" in target["spec"]:
        words = ["pytest", target["spec"], f"--flowcraft-replay={chosen.token}", f"--flowcraft-seed={report['seed']}"]
        words += [f"--flowcraft-profile={report['profile']}", "-k", found[0]["id"]]
        raise CommandError(f"the target is a suite class of your own: run it with {shlex.join(words)}")
    return _Failure(target["kind"], target["spec"], found[0]["id"], str(report["seed"]), report["profile"])


def _has_token(clause: Any) -> bool:
    return bool(clause.get("details", {}).get("token"))


def _of_options(chosen: argparse.Namespace) -> _Failure:
    named = [(kind, getattr(chosen, kind)) for kind in TARGETS if getattr(chosen, kind) is not None]
    if len(named) != 1:
        raise CommandError("name the one target: --adapter, --store or --context, or --report=REPORT.json")
    if chosen.clause is None:
        raise CommandError("give --clause: a token means nothing without the check that it belongs to")
    try:
        clause = look_up(chosen.clause)
    except LookupError as error:
        raise CommandError(f"--clause: {error}") from error
    kind, target = named[0]
    if clause not in clauses_for(Target(kind)):
        raise CommandError(f"--clause: a {kind} is not judged by {clause.id}")
    return _Failure(kind, target, clause.id, chosen.seed or "0", chosen.profile or "standard")
