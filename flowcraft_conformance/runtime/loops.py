"""The loops of a blueprint: what each one holds, where it is entered, and which edges begin its next visit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowcraft_conformance.contract.blueprint import BlueprintError, EdgeDefinition, WorkflowBlueprint

CONTROLLER = "loop-controller"
CONTINUE = "continue"
BREAK = "break"


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop. ``members``: its nodes, the controller among them; ``back``: the edges that begin the next visit."""

    controller: str
    header: str
    members: frozenset[str]
    inside: frozenset[int]
    """The controller's ``continue`` edges."""
    back: frozenset[int]


def find_loops(blueprint: WorkflowBlueprint) -> tuple[Loop, ...]:
    """The loops of a blueprint, an outer one before those inside it.

    A loop is entered at its controller (it then asks before each iteration) or at the one target of its ``continue``
    edge (it then asks after each).

    Raises:
        BlueprintError: a controller's edges make no loop; the text says what is wrong and how it is drawn right.
    """
    found = [_loop(blueprint, one.id) for one in blueprint.nodes if one.uses == CONTROLLER]
    loops = sorted(found, key=lambda loop: -len(loop.members))
    for number, outer in enumerate(loops):
        for inner in loops[number + 1 :]:
            shared = outer.members & inner.members
            if shared and not inner.members < outer.members:
                raise BlueprintError(
                    f"blueprint {blueprint.id!r}: the loops of {outer.controller!r} and {inner.controller!r} share "
                    f"{min(shared)!r}, and neither lies inside the other; let one be a part of the other's body"
                )
    return tuple(loops)


def nests(loops: Sequence[Loop], nodes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By node the controllers of the loops around it, the outer first."""
    return {node: tuple(loop.controller for loop in loops if node in loop.members) for node in nodes}


def _loop(blueprint: WorkflowBlueprint, controller: str) -> Loop:
    place = f"blueprint {blueprint.id!r}: loop {controller!r}"
    edges = dict(enumerate(blueprint.edges))
    inside = {number for number, edge in edges.items() if edge.source == controller and edge.action == CONTINUE}
    if not inside:
        raise BlueprintError(
            f"{place} has no edge with the action {CONTINUE!r}: draw one to the first node of its body, and one with "
            f"{BREAK!r} to what comes after it"
        )
    firsts = {edges[number].target for number in inside}
    forward = _reached(firsts, edges.values(), stop=controller)
    backward = _reached({controller}, [EdgeDefinition(e.target, e.source) for e in edges.values()], within=forward)
    body = backward - {controller}
    for first in sorted(firsts):
        if first not in body:
            raise BlueprintError(
                f"{place}: its {CONTINUE!r} edge to {first!r} never leads back to it; draw an edge from the last node "
                f"of the body to {controller!r}"
            )
    members = frozenset(body | {controller})
    _check_ways_out(place, controller, members, inside, edges)
    header = _header(place, controller, members, firsts, edges.values())
    back = inside
    if header == controller:
        back = {number for number, edge in edges.items() if edge.target == controller and edge.source in body}
    return Loop(controller, header, members, frozenset(inside), frozenset(back))


def _reached(
    starts: Collection[str],
    edges: Iterable[EdgeDefinition],
    *,
    stop: str | None = None,
    within: Collection[str] | None = None,
) -> set[str]:
    """All nodes that edges lead to from these, themselves among them; not beyond ``stop``, and only ``within``."""
    following: dict[str, list[str]] = {}
    for edge in edges:
        following.setdefault(edge.source, []).append(edge.target)
    found = set(starts)
    queue = list(starts)
    while queue:
        node = queue.pop()
        if node == stop:
            continue
        for target in following.get(node, ()):
            if target not in found and (within is None or target in within):
                found.add(target)
                queue.append(target)
    return found


def _check_ways_out(
    place: str, controller: str, members: Collection[str], inside: Collection[int], edges: Mapping[int, EdgeDefinition]
) -> None:
    for number, edge in edges.items():
        if edge.source not in members:
            continue
        if edge.source == controller and number not in inside and edge.target in members:
            raise BlueprintError(
                f"{place}: the edge {edge.source!r} -> {edge.target!r} leads into its body without the action "
                f"{CONTINUE!r}; give it that action"
            )
        if edge.source != controller and edge.target not in members:
            raise BlueprintError(
                f"{place}: the edge {edge.source!r} -> {edge.target!r} leaves its body, at every iteration anew; let "
                f"{edge.target!r} lead to {controller!r}, or draw it behind {controller!r} with the action {BREAK!r}"
            )


def _header(
    place: str, controller: str, members: Collection[str], firsts: Collection[str], edges: Iterable[EdgeDefinition]
) -> str:
    """Where the loop is entered; one that nothing leads to begins with its body, if that has one first node."""
    entered = {edge.target for edge in edges if edge.target in members and edge.source not in members}
    if entered <= {controller} and (entered or len(firsts) > 1):
        return controller
    if len(firsts) == 1 and entered <= set(firsts):
        return next(iter(firsts))
    raise BlueprintError(
        f"{place} is entered at {', '.join(map(repr, sorted(entered)))}; let all edges from outside lead to "
        f"{controller!r}, or all to the one target of its {CONTINUE!r} edge"
    )
