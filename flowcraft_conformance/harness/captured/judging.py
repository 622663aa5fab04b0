"""What a captured run must have come to, whatever was done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.contract.payloads import FinalResult
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.records import CallSeen, Delivery, Execution
from flowcraft_conformance.harness.captured.scenario import Scenario
from flowcraft_conformance.harness.oracle import Outcome, PossibleOutcomes


@dataclass(frozen=True, slots=True)
class Trace:
    """All that was seen of one run. ``error``: what ended it where it did not end by itself."""

    scenario: Scenario
    plan: Plan
    run_id: str
    calls: Sequence[CallSeen]
    deliveries: Sequence[Delivery]
    executions: Sequence[Execution]
    results: Sequence[FinalResult]
    enqueued: Sequence[str]
    happened: Sequence[tuple[Event, CallSeen]]
    events: Sequence[tuple[str, dict[str, Any]]]
    choices: Sequence[int]
    state: Mapping[str, Any]
    stacks: Sequence[Sequence[tuple[str, int]]] = ()
    versions: Mapping[int, object] = field(default_factory=dict)
    hangs: Sequence[CallSeen | None] = ()
    disturbed: int = 0
    error: BaseException | None = None

    def knows(self, worker: int, version: str) -> bool:
        """Whether the worker has this version of the blueprint."""
        return self.versions.get(worker) == version

    def count(self, *kinds: Kind) -> int:
        """How many events of these kinds happened."""
        return sum(event.kind in kinds for event, _ in self.happened)


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that a run broke. ``rule`` names it; ``expected`` and ``got`` stand beside each other."""

    rule: str
    got: str
    expected: str
    trace: Trace = field(repr=False)

    def __str__(self) -> str:
        """In one line."""
        return f"{self.got}; expected {self.expected}"


def judge(trace: Trace, allowed: PossibleOutcomes, also: Callable[[Trace], str | None] | None = None) -> Problem | None:
    """The first rule that the run broke, or None. ``also``: one rule more, which says what was broken."""
    for rule in (_ends, _says_one_thing, _says_it_once, _as_in_one_process, _runs_once):
        said = rule(trace, allowed)
        if said is not None:
            return Problem(rule.__name__.lstrip("_"), *said, trace)
    more = also(trace) if also is not None else None
    return None if more is None else Problem("also", more, "that it does not", trace)


Said = tuple[str, str] | None


def _ends(trace: Trace, allowed: PossibleOutcomes) -> Said:
    if trace.hangs:
        return f"a worker hung in {trace.hangs[0]}", "every job to come to an end"
    if trace.error is not None:
        return f"the run did not end: {type(trace.error).__name__}: {trace.error}", "an end"
    may_rest = any(outcome.status == "waiting" for outcome in allowed.outcomes)
    if not trace.results and not may_rest:
        done = sorted({execution.node for execution in trace.executions})
        return (
            f"silence: no job is left, no result was published, nothing waits (nodes that ran: {', '.join(done)})",
            _expected(allowed),
        )
    return None


def _says_one_thing(trace: Trace, _: PossibleOutcomes) -> Said:
    statuses = list(dict.fromkeys(result.status for result in trace.results))
    if len(statuses) > 1:
        return f"published {' and then '.join(statuses)}", "one final status"
    return None


def _says_it_once(trace: Trace, _: PossibleOutcomes) -> Said:
    excused = trace.disturbed + trace.count(Kind.EXPIRE)
    if len(trace.results) > 1 + excused:
        return f"published the result {len(trace.results)} times", f"at most {1 + excused}"
    return None


def _as_in_one_process(trace: Trace, allowed: PossibleOutcomes) -> Said:
    if not trace.results:
        outcome = Outcome("waiting", allowed.comparable(trace.state, trace.scenario.blueprint))
        fits = any(one.status == "waiting" and one.state == outcome.state for one in allowed.outcomes)
        return None if fits or not allowed.complete else (_told(outcome), _expected(allowed))
    result = trace.results[0]
    if result.status == "failed":
        return _fails_as_it_may(trace, result, allowed)
    outcome = Outcome("completed", allowed.comparable(trace.state, trace.scenario.blueprint))
    if allowed.allow(outcome) or not allowed.complete:
        return None
    return _told(outcome), _expected(allowed)


def _fails_as_it_may(trace: Trace, result: FinalResult, allowed: PossibleOutcomes) -> Said:
    reason = result.reason or ""
    if not reason.strip():
        return "published a failure without a reason", "a reason that names the node and the error"
    given_up = trace.disturbed and any(delivery.outcome == "dead-lettered" for delivery in trace.deliveries)
    if given_up or any(one.failed is not None and one.failed in reason for one in allowed.outcomes):
        return None
    if trace.count(Kind.FAIL) and "the connection was lost" in reason:
        return None  # FAULT-01: a published failure that says why
    return f"published failed: {reason}", _expected(allowed)


def _runs_once(trace: Trace, allowed: PossibleOutcomes) -> Said:
    """Executions of a node: its attempts at each iteration of its loop, and once more for each crash, lost lease and
    failed call.
    """
    excused = trace.disturbed
    for name, times in Counter(execution.node for execution in trace.executions).items():
        most = max(_attempts(trace.scenario, name), allowed.most_runs(name)) * (1 + excused)
        if times > most:
            return f"node {name!r} ran {times} times", f"at most {most}"
    return None


def _attempts(scenario: Scenario, name: str) -> int:
    nodes = {node.id: node for node in scenario.blueprint.nodes}
    own = nodes[name].config.max_retries if name in nodes else 1
    in_place_of = sum(node.config.fallback == name for node in nodes.values())
    return own * max(1, in_place_of)


def _told(outcome: Outcome) -> str:
    return f"{outcome.status} with {shorten(dict(outcome.state), 300)}"


def _expected(allowed: PossibleOutcomes) -> str:
    shown = [f"failed at {one.failed!r}" if one.status == "failed" else _told(one) for one in allowed.outcomes[:2]]
    more = f" (or one of {len(allowed.outcomes) - 2} others)" if len(allowed.outcomes) > 2 else ""
    return " or ".join(shown) + more
