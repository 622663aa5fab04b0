"""What a captured run must have come to, whatever was done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.payloads import FinalResult
from flowcraft_conformance.harness.captured.differences import Difference, nearest
from flowcraft_conformance.harness.captured.plan import Event, Kind, Plan
from flowcraft_conformance.harness.captured.records import CallSeen, Delivery, Execution, KeyLeft
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
    beside: Mapping[str, WorkflowBlueprint] = field(default_factory=dict)
    published: Sequence[tuple[str, FinalResult]] = ()
    """The results of all runs, with their ids."""
    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last state of each run."""
    left: Sequence[KeyLeft] = ()
    """Of a run that was watched after its end: the coordination keys that were still there."""
    client_errors: Sequence[BaseException] = ()
    """What calls of clients raised; each was made again."""

    @property
    def own_executions(self) -> list[Execution]:
        """The executions of this run's own jobs."""
        own = {delivery.number for delivery in self.deliveries if delivery.job.run_id == self.run_id}
        return [execution for execution in self.executions if execution.delivery in own]

    def knows(self, worker: int, version: str) -> bool:
        """Whether the worker has this version of the blueprint."""
        return self.versions.get(worker) == version

    def of_run(self, run_id: str, blueprint: WorkflowBlueprint) -> Trace:
        """What was seen of one of several runs."""
        return replace(
            self,
            scenario=replace(self.scenario, blueprint=blueprint),
            run_id=run_id,
            results=[result for published_of, result in self.published if published_of == run_id],
            state=self.states.get(run_id, {}),
        )

    def count(self, *kinds: Kind) -> int:
        """How many events of these kinds happened."""
        return sum(event.kind in kinds for event, _ in self.happened)


Also = Callable[[Trace], str | None]
"""One rule more: what a run has broken of it, or None."""


class Said(NamedTuple):
    """How a rule was broken."""

    got: str
    expected: str
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that a run broke. ``rule`` names it; ``expected`` and ``got`` stand beside each other."""

    rule: str
    got: str
    expected: str
    trace: Trace = field(repr=False)
    differences: tuple[Difference, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing at all was done to the run."""
        return self.trace.plan == Plan()

    @property
    def headline(self) -> str:
        """What was seen, in a few words."""
        return f"{self.got}: {self.differences[0]}" if self.differences else self.got

    def __str__(self) -> str:
        """In one line."""
        places = "".join(f"; {one}" for one in self.differences[:3])
        return f"{self.got}" + (f"; expected {self.expected}" if self.expected else "") + places


def judge(trace: Trace, allowed: PossibleOutcomes, also: Also | None = None) -> Problem | None:
    """The first rule that the run broke, or None. ``also``: one rule more, which says what was broken."""
    if _slept_before_a_bare_write(trace):
        return None
    for rule in (_ends, _says_one_thing, _says_it_once, _as_in_one_process, _runs_once):
        said = rule(trace, allowed)
        if said is not None:
            return Problem(rule.__name__.lstrip("_"), said.got, said.expected, trace, said.differences)
    more = also(trace) if also is not None else None
    return None if more is None else Problem("also", more, "", trace)


def _slept_before_a_bare_write(trace: Trace) -> bool:
    """Whether a worker stood between its last look and a write, on contexts that offer no guarded patch.

    Nobody can notice there that the lease is over: without ``patch_if_absent`` the contract does not ask for it.
    """
    if not trace.count(Kind.PAUSE) or any(call.name == "patch_if_absent" for call in trace.calls):
        return False
    for event, seen in trace.happened:
        if event.kind is Kind.PAUSE:
            following = (call for call in trace.calls[seen.number + event.after :] if call.worker == seen.worker)
            first = next(following, None)
            if first is not None and first.part == "context" and first.name in ("set", "delete", "patch"):
                return True
    return False


def _ends(trace: Trace, allowed: PossibleOutcomes) -> Said | None:
    if trace.hangs:
        return Said(f"a worker hung in {trace.hangs[0]}", "every job to come to an end")
    if trace.error is not None:
        return Said(f"the run did not end: {type(trace.error).__name__}: {trace.error}", _expected(allowed))
    may_rest = any(outcome.status == "waiting" for outcome in allowed.outcomes)
    if not trace.results and not may_rest:
        done = ", ".join(sorted({execution.node for execution in trace.own_executions})) or "none"
        return Said(
            f"silence: no job is left, no result was published, nothing waits (nodes that ran: {done})",
            _expected(allowed),
        )
    return None


def _says_one_thing(trace: Trace, _: PossibleOutcomes) -> Said | None:
    statuses = list(dict.fromkeys(result.status for result in trace.results))
    if len(statuses) > 1:
        return Said(f"published {' and then '.join(statuses)}", "one final status")
    return None


def _says_it_once(trace: Trace, _: PossibleOutcomes) -> Said | None:
    excused = trace.disturbed + trace.count(Kind.EXPIRE)
    if len(trace.results) > 1 + excused:
        return Said(f"published the result {len(trace.results)} times", f"at most {1 + excused}")
    return None


def _as_in_one_process(trace: Trace, allowed: PossibleOutcomes) -> Said | None:
    if trace.results and trace.results[0].status == "failed":
        return _fails_as_it_may(trace, trace.results[0], allowed)
    outcome = Outcome(
        "completed" if trace.results else "waiting", allowed.comparable(trace.state, trace.scenario.blueprint)
    )
    fitting = [replace(one, waiting=()) for one in allowed.outcomes if one.status == outcome.status]
    if any(one.identity == outcome.identity for one in fitting) or not allowed.complete:
        return None
    if not fitting:
        return Said(outcome.status, _expected(allowed))
    which = f" (one of {len(fitting)} that are possible, the nearest)" if len(fitting) > 1 else ""
    return Said(
        f"{outcome.status}, with another state",
        f"{outcome.status}, with the state of a run in one process{which}",
        nearest(outcome.state, fitting),
    )


def _fails_as_it_may(trace: Trace, result: FinalResult, allowed: PossibleOutcomes) -> Said | None:
    reason = result.reason or ""
    if not reason.strip():
        return Said("published a failure without a reason", "a reason that names the node and the error")
    given_up = trace.disturbed and any(delivery.outcome == "dead-lettered" for delivery in trace.deliveries)
    if given_up or any(one.failed is not None and one.failed in reason for one in allowed.outcomes):
        return None
    if trace.count(Kind.FAIL) and "the connection was lost" in reason:
        return None  # FAULT-01: a published failure that says why
    return Said(f"published failed: {reason}", _expected(allowed))


def _runs_once(trace: Trace, allowed: PossibleOutcomes) -> Said | None:
    """Executions of a node: its attempts at each iteration of its loop, and once more for each crash, lost lease and
    failed call.
    """
    excused = trace.disturbed
    for name, times in Counter(execution.node for execution in trace.own_executions).items():
        most = max(_attempts(trace.scenario, name), allowed.most_runs(name)) * (1 + excused)
        if times > most:
            return Said(f"node {name!r} ran {times} times", f"at most {most}")
    return None


def _attempts(scenario: Scenario, name: str) -> int:
    nodes = {node.id: node for node in scenario.blueprint.nodes}
    own = nodes[name].config.max_retries if name in nodes else 1
    in_place_of = sum(node.config.fallback == name for node in nodes.values())
    return own * max(1, in_place_of)


def _expected(allowed: PossibleOutcomes) -> str:
    ends = [f"failed at {one.failed!r}" if one.status == "failed" else one.status for one in allowed.outcomes]
    return " or ".join(dict.fromkeys(ends))
