"""The report as Markdown that fits a pull request: verdict and counts first, evidence folded away."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flowcraft_conformance.report.wording import (
    BROKEN,
    REPORT,
    SYMBOLS,
    TITLES,
    because,
    by_group,
    causes_of,
    counts,
    expiry,
    observed,
    seconds,
    servers,
    title_of_group,
)

_ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~@])")
_LONGEST_EVIDENCE = 6000
"""Characters: a comment on GitHub holds 65,536, and several clauses may fail."""


def markdown_report(report: REPORT) -> str:
    """The report in GitHub's Markdown."""
    return "\n".join(_lines(report)) + "\n"


def markdown_text(value: str) -> str:
    """Text that is shown as it is: nothing in it is markup, a mention or a link."""
    return _ACTIVE.sub(r"\\\1", " ".join(value.split()))


def markdown_prose(value: str) -> str:
    """Text of the catalogue: what stands between backticks is code, the rest is shown as it is."""
    parts = value.split("`")
    if len(parts) % 2 == 0:
        return markdown_text(value)
    return "`".join(part if number % 2 else _ACTIVE.sub(r"\\\1", part) for number, part in enumerate(parts))


def fenced(value: str) -> str:
    """A block of code whose fence is longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", value)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{value}\n{fence}"


def _lines(report: REPORT) -> Iterator[str]:
    target, clauses = report["target"], report["clauses"]
    yield f"## {SYMBOLS[report['verdict']]} {TITLES[report['verdict']]}: {target['kind']} {_code(target['spec'])}"
    yield ""
    yield because(report)
    yield ""
    yield from _counts(report)
    broken = sorted(
        (clause for clause in clauses if clause["verdict"] in BROKEN),
        key=lambda clause: (clause["level"] != "MUST", BROKEN.index(clause["verdict"])),
    )
    if broken:
        yield from ("", "### What is broken")
    for clause in broken:
        yield from _broken(clause)
    for verdict, title in (("inconclusive", "Inconclusive"), ("unsupported", "Unsupported"), ("untested", "Untested")):
        yield from _listed(report, verdict, title)
    yield ""
    backends = servers(report["environment"]["backends"])
    yield (
        f"<sub>flowcraft-conformance {report['kit']}, contract {report['contract']}, profile {report['profile']}, "
        f"seed {report['seed']}, Python {report['environment']['python']}"
        f"{f', {html.escape(backends)}' if backends else ''}, {seconds(report['duration_seconds'])} in checks</sub>"
    )


def _code(value: str) -> str:
    return f"<code>{html.escape(value)}</code>"


def _counts(report: REPORT) -> Iterator[str]:
    """One row a group, one column a verdict that occurs."""
    verdicts = list(counts(report["clauses"]))
    yield "| group | " + " | ".join(verdicts) + " |"
    yield "|:--|" + "--:|" * len(verdicts)
    for group, clauses in by_group(report["clauses"]).items():
        counted = counts(clauses)
        cells = " | ".join(str(counted.get(verdict, "")) for verdict in verdicts)
        yield f"| {title_of_group(group)} ({group}) | {cells} |"


def _broken(clause: Mapping[str, Any]) -> Iterator[str]:
    summary, evidence = observed(clause)
    yield ""
    yield f"#### {clause['id']} · {clause['level']} · {SYMBOLS[clause['verdict']]} {clause['verdict']}"
    yield ""
    yield f"> {markdown_prose(clause['title'])}"
    yield ""
    if known := clause.get("known_failure"):
        link = f" (<{html.escape(known['link'])}>)" if known["link"] else ""
        until = f", {expiry(known)}" if expiry(known) else ""
        yield f"Known failure: {markdown_text(known['reason'])}{link}{until}"
        yield ""
    if clause["verdict"] == "unexpected-pass":
        yield "It passed, and the file of known failures says that it fails: remove its entry."
        return
    yield f"**Seen:** {markdown_text(summary)}"
    yield ""
    yield "<details><summary>Evidence, why it matters, likely causes, command</summary>"
    if evidence:
        yield ""
        yield fenced(evidence[:_LONGEST_EVIDENCE])
    yield ""
    yield f"**Why it matters.** {markdown_prose(clause['why'])}"
    yield ""
    for cause in causes_of(clause["id"]):
        yield f"- {markdown_prose(cause)}"
    yield ""
    if clause["reproduce"]:
        yield fenced(clause["reproduce"])
        yield ""
    yield "</details>"


def _listed(report: REPORT, verdict: str, title: str) -> Iterator[str]:
    found = [clause for clause in report["clauses"] if clause["verdict"] == verdict]
    if not found:
        return
    yield ""
    yield f"<details><summary>{title} ({len(found)})</summary>"
    yield ""
    for clause in found:
        summary, _ = observed(clause)
        level = "" if clause["level"] == "MUST" else f" ({clause['level']})"
        yield f"- {clause['id']}{level}" + (f": {markdown_text(summary)}" if summary else "")
    yield ""
    yield "</details>"
