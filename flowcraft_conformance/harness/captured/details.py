"""What a broken run showed, as plain JSON values from which a report draws: the graph, and who ran which node when."""

from __future__ import annotations

from typing import Any

from flowcraft_conformance.contract.blueprint import EdgeDefinition, WorkflowBlueprint
from flowcraft_conformance.harness.captured.judging import Problem
from flowcraft_conformance.harness.captured.replay import Replay
from flowcraft_conformance.harness.captured.story import what_happened

_MOST_DELIVERIES = 60
_MOST_NODES = 60


def details_of_run(problem: Problem) -> dict[str, Any]:
    """A workflow that ran: its graph, the deliveries of its jobs, who ran which node when, what was done to the run."""
    trace = problem.trace

    def plain(text: str) -> str:
        return text.replace(f"{trace.run_id}:", "").replace(trace.run_id, "run")

    workers = {one.number: one.worker for one in trace.deliveries}
    workflow = {
        **_graph(trace.scenario.blueprint),
        "deliveries": [
            {"number": one.number, "node": plain(one.job.node_id), "worker": one.worker, "outcome": one.outcome}
            for one in list(trace.deliveries)[:_MOST_DELIVERIES]
        ],
        "executions": [
            {"node": one.node, "delivery": one.delivery, "worker": workers.get(one.delivery), "at": round(one.at, 6)}
            for one in list(trace.executions)[:_MOST_DELIVERIES]
        ],
        "events": [
            {
                "delivery": seen.delivery if seen.delivery >= 0 else None,
                "text": plain(what_happened(event, seen, trace)),
            }
            for event, seen in trace.happened
        ],
        "results": [one.status for one in trace.results],
        "got": plain(problem.got),
        "expected": plain(problem.expected),
        "differences": [plain(str(one)) for one in problem.differences],
    }
    return {"workflow": workflow, "token": Replay.of(trace.scenario, trace.plan).encode()}


def _graph(blueprint: WorkflowBlueprint) -> dict[str, Any]:
    nodes = blueprint.nodes[:_MOST_NODES]
    known = {node.id for node in nodes}
    return {
        "blueprint": blueprint.id,
        "nodes": [
            {"id": node.id, "uses": node.uses, "join": node.config.join_strategy, "fallback": node.config.fallback}
            for node in nodes
        ],
        "edges": [
            {"source": edge.source, "target": edge.target, "label": _label(edge)}
            for edge in blueprint.edges
            if edge.source in known and edge.target in known
        ],
        "left_out": len(blueprint.nodes) - len(nodes),
    }


def _label(edge: EdgeDefinition) -> str:
    words = [edge.action, edge.condition and f"if {edge.condition}", edge.transform and "transformed"]
    return "; ".join(word for word in words if word)
