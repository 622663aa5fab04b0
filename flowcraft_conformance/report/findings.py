"""What one test found out about one clause of one target; it travels between processes as plain JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class TargetName:
    """Which target: its kind and ``module:name``, or the node id of a user's own suite class."""

    kind: Target
    text: str
    suite: str | None = None
    """``module:class`` of each packaged suite that a user's class descends from, with blanks between."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One test's verdict. ``observed`` is the shrunk history or program, or a figure; ``reproduce`` one command."""

    target: TargetName
    clause: str
    test: str
    verdict: Verdict
    summary: str = ""
    observed: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    """What was observed as plain JSON values, where the check has it: calls of a history, a workflow that ran."""
    reproduce: str = ""
    duration_seconds: float = 0.0
    applies: bool = True
    """False: this way of checking cannot be used on the target; ``summary`` says why. Such a test decides nothing."""
    changed: dict[str, str | None] = field(default_factory=dict)
    """Tests that a user's suite class removed or overrode, with the reason it gives."""

    def to_json(self) -> dict[str, Any]:
        """A dict of plain JSON values: enums would not pass between processes."""
        data = asdict(self)
        data["verdict"] = self.verdict.value
        data["target"]["kind"] = self.target.kind.value
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Finding:
        """The inverse of :meth:`to_json`."""
        target = TargetName(Target(data["target"]["kind"]), data["target"]["text"], data["target"]["suite"])
        return cls(**{**data, "target": target, "verdict": Verdict(data["verdict"])})
