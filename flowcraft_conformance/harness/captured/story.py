"""A broken run as a reader can follow it: the graph, the plan, who did what, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from flowcraft_conformance.checking.blueprints import draw_edges
from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.harness.captured.judging import Problem, Trace
from flowcraft_conformance.harness.captured.plan import Event, Kind
from flowcraft_conformance.harness.captured.records import CallSeen, Delivery

_MOST_EDGES = 6
_MOST_EVENTS = 4
_MOST_DELIVERIES = 9
_MOST_DIFFERENCES = 4
_ERROR_WIDTH = 60
_ABOUT_WIDTH = 60

_WHAT = {
    Kind.CRASH: "the worker is killed",
    Kind.FAIL: "the call fails",
    Kind.DUPLICATE: "a job is delivered once more",
    Kind.PAUSE: "the worker stands still until its lease is over and the rest is done",
    Kind.EXPIRE: "a coordination key is lost",
    Kind.INTERLEAVE: "this worker stands while another does a job",
}


def tell(problem: Problem) -> str:
    """The story in about 20 lines, without the run's own id."""
    trace = problem.trace
    lines = _under("graph:", draw_edges(trace.scenario.blueprint), _MOST_EDGES)
    for run_id, blueprint in trace.beside.items():
        lines += _under("beside:", [f"run {run_id}: {', '.join(draw_edges(blueprint))}"], 1)
    if trace.happened:
        lines += _under("plan:", [_event(*one, trace) for one in trace.happened], _MOST_EVENTS)
    elif not trace.plan.order:
        lines.append("plan:     none; each job is delivered once, in turn, and nothing fails")
    if trace.plan.order:
        lines.append(f"order:    jobs are taken out of turn ({'-'.join(map(str, trace.plan.order))})")
    elif trace.scenario.newest_first:
        lines.append("order:    the newest job is taken first")
    lines += _deliveries(trace)
    lines.append(f"got:      {problem.got}")
    if problem.expected:
        lines.append(f"expected: {problem.expected}")
    lines += _cut([f"  {one}" for one in problem.differences], _MOST_DIFFERENCES, "places")
    return "\n".join(lines).replace(f"{trace.run_id}:", "").replace(trace.run_id, "run")


def _under(title: str, lines: list[str], most: int) -> list[str]:
    """The lines beside one another's title."""
    return [f"{title if number == 0 else '':<10}{line}" for number, line in enumerate(_cut(lines, most, "lines"))]


def _cut(lines: list[str], most: int, what: str) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"... {len(lines) - most + 1} more {what}"]


def _event(event: Event, seen: CallSeen, trace: Trace) -> str:
    when = "after" if event.after else "before"
    who = "the client"
    if seen.delivery >= 0:
        who = f"delivery {seen.delivery} (job {trace.deliveries[seen.delivery].job.node_id})"
    place = f" at {seen.place}" if seen.place else ""
    about = seen.about if len(seen.about) <= _ABOUT_WIDTH else f"{seen.about[:_ABOUT_WIDTH]}..."
    return f"{when} {seen.part}.{seen.name}({about}){place} by {who}: {_WHAT[event.kind]}{_more(event, seen, trace)}"


def _more(event: Event, seen: CallSeen, trace: Trace) -> str:
    """Which job a duplicate or an interleaving is about, and where that one stands."""
    if event.kind is Kind.DUPLICATE and trace.deliveries:
        job = trace.deliveries[event.what % len(trace.deliveries)].job.node_id
        held = f", up to its call {event.hold} until this one is done" if event.hold is not None else ""
        return f" (job {job}{held})"
    if event.kind is Kind.INTERLEAVE:
        following = [one.job.node_id for one in trace.deliveries if one.number > seen.delivery]
        job = f"job {following[0]}" if following else "the next one"
        held = f"; its call {event.hold} and this one are made at the same moment" if event.hold is not None else ""
        return f" ({job}{held})"
    return ""


def _deliveries(trace: Trace) -> list[str]:
    """One line a delivery, the same again folded; of many the first ones and the last."""
    lines = list(_folded(trace))
    if len(lines) <= _MOST_DELIVERIES:
        return lines
    left_out = len(lines) - _MOST_DELIVERIES + 1
    return [*lines[: _MOST_DELIVERIES - 2], f"  ... {left_out} more lines of deliveries", lines[-1]]


def _folded(trace: Trace) -> Iterator[str]:
    told = [(one.job.node_id, _outcome(one, trace), one) for one in trace.deliveries]
    for (node, outcome), same in groupby(told, key=lambda line: line[:2]):
        group = [one for _, _, one in same]
        yield f"  {group[0].number}. job {node}, worker {group[0].worker}: {outcome}"
        if len(group) > 1:
            yield f"     delivered {len(group) - 1} times more, {group[0].outcome} each time"


def _outcome(delivery: Delivery, trace: Trace) -> str:
    ran = [one.node for one in trace.executions if one.delivery == delivery.number]
    said = delivery.outcome
    if delivery.error is not None:
        text = str(delivery.error)
        said += f" ({text if len(text) <= _ERROR_WIDTH else shorten(text, _ERROR_WIDTH)})"
    return f"ran {', '.join(ran)}; {said}" if ran else said


def what_happened(event: Event, seen: CallSeen, trace: Trace) -> str:
    """One event of a plan in words: at which call, by whom, what."""
    return _event(event, seen, trace)
