"""How a failure reads in the terminal, in at most 30 lines: what was broken, what was seen, why it matters."""

from __future__ import annotations

import textwrap

from flowcraft_conformance.checking.drawing import fit
from flowcraft_conformance.contract.clauses import clause as look_up
from flowcraft_conformance.report.findings import Finding

_WIDTH = 100
_MOST_LINES = 30
_FEWEST_OBSERVED = 8


def failure_text(finding: Finding) -> str:
    """Clause and sentence, what was observed, why it matters, likely causes, one command."""
    clause = look_up(finding.clause)
    before = [
        _wrap(f"{clause.id} [{clause.level}] {clause.sentence}"),
        "",
        _wrap(f"Observed: {finding.summary}"),
    ]
    after = [
        "",
        _wrap(f"Why it matters: {clause.why}"),
        "Likely causes:",
        *[_wrap(cause, first="  - ", then="    ") for cause in clause.causes[:3]],
        f"Reproduce: {finding.reproduce}",
    ]
    left = _MOST_LINES - len("\n".join([*before, *after]).splitlines())
    observed = fit(finding.observed, max(left, _FEWEST_OBSERVED))
    parts = [*before, *([textwrap.indent(observed, "  ")] if observed else []), *after]
    return "\n".join(parts)


def _wrap(text: str, *, first: str = "", then: str = "  ") -> str:
    lines = textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)
    return fit("\n".join(lines), 5)
