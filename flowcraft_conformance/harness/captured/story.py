"""A broken run as a reader can follow it: the graph, the plan, who did what, and what came of it."""

from __future__ import annotations

from flowcraft_conformance.checking.blueprints import draw_graph
from flowcraft_conformance.harness.captured.judging import Problem, Trace
from flowcraft_conformance.harness.captured.plan import Event, Kind
from flowcraft_conformance.harness.captured.records import CallSeen, Delivery

_MOST_DELIVERIES = 12

_WHAT = {
    Kind.CRASH: "the worker is killed",
    Kind.FAIL: "the call fails",
    Kind.DUPLICATE: "a job is delivered once more",
    Kind.PAUSE: "the worker stands still until its lease is over and the rest is done",
    Kind.EXPIRE: "a coordination key is lost",
}


def tell(problem: Problem) -> str:
    """The story in about 15 lines, without the run's own id."""
    trace = problem.trace
    lines = [f"graph:    {draw_graph(trace.scenario.blueprint)}"]
    lines += [f"plan:     {_event(event, seen, trace)}" for event, seen in trace.happened[:4]]
    if trace.plan.order:
        lines.append(f"order:    jobs are taken out of turn ({'-'.join(map(str, trace.plan.order))})")
    lines += _deliveries(trace)
    lines += [f"got:      {problem.got}", f"expected: {problem.expected}", f"plan token: {trace.plan.encode()}"]
    return "\n".join(lines).replace(f"{trace.run_id}:", "").replace(trace.run_id, "run")


def _event(event: Event, seen: CallSeen, trace: Trace) -> str:
    when = "after" if event.after else "before"
    who = "the client"
    if seen.delivery >= 0:
        who = f"delivery {seen.delivery} (job {trace.deliveries[seen.delivery].job.node_id})"
    again = ""
    if event.kind is Kind.DUPLICATE and trace.deliveries:
        again = f" (job {trace.deliveries[event.what % len(trace.deliveries)].job.node_id})"
    place = f" at {seen.place}" if seen.place else ""
    return f"{when} {seen.part}.{seen.name}({seen.about}){place} by {who}: {_WHAT[event.kind]}{again}"


def _deliveries(trace: Trace) -> list[str]:
    shown = list(trace.deliveries)[:_MOST_DELIVERIES]
    lines = [f"  {one.number}. job {one.job.node_id}, worker {one.worker}: {_outcome(one, trace)}" for one in shown]
    left_out = len(trace.deliveries) - len(shown)
    return [*lines, *([f"  ... {left_out} more deliveries"] if left_out else [])]


def _outcome(delivery: Delivery, trace: Trace) -> str:
    ran = [one.node for one in trace.executions if one.delivery == delivery.number]
    said = delivery.outcome + (f" ({str(delivery.error)[:70]})" if delivery.error is not None else "")
    return f"ran {', '.join(ran)}; {said}" if ran else said


def what_happened(event: Event, seen: CallSeen, trace: Trace) -> str:
    """One event of a plan in words: at which call, by whom, what."""
    return _event(event, seen, trace)
