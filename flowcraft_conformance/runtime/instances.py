"""What runs more often, or is more, than the blueprint draws: how loops, batches, subflows and sleeps are run.

Everything durable about a node hangs on the name of its *instance*: its lease, its decision, its arrivals, its job. A
node that no loop, subflow or batch has to do with is its own only instance, with its plain id, so that a plain run has
the keys and makes the calls it would make if there were nothing else. The other names:

``b@3``
    the third visit of node ``b`` of a loop (the first is plain ``b``); inside nested loops one number a loop, the outer
    one first: ``b@2.1``.
``s[4]``
    the fifth node that ``s`` added to the run; ``s[4][0]`` is the first one that this one added.
``pay/charge``
    node ``charge`` of the subflow that node ``pay`` stands for; ``pay/`` is where the subflow begins.

**Loops.** A loop is what lies on a path from a ``continue`` edge back to its controller. Its edges say which visit they
lead to: inside a loop the same one, over its back edge the next one, out of it to what lies outside. So a ``continue``
re-arms nothing and deletes nothing: the next visit has keys of its own, a late duplicate of the last visit finds its
own decision, and joins inside the body begin afresh. The controller waits for its whole body, also for what an ``any``
join did not wait for. Only the edges of the way it chose are settled: the other way is decided by a later visit.

**Batches and added nodes.** What a node adds is committed in the same atomic patch as its output and its decision, and
enqueued afterwards; whoever finds the node done and not walked enqueues it again. The edges of the node are settled
once all that it added is done, nested or not, by a tree of groups as of a join: so a gather needs no machinery of its
own.

**Subflows.** The blueprint of a subflow is known, so it is drawn into its parent's graph when that is built: its nodes
are nodes of the same run, with jobs of their own. What they write and give goes under ``_sub.{instance}.``, so that
parent and child see nothing of each other but what ``inputs`` and ``outputs`` map. ``pay/`` fills the child's state,
and ``pay`` itself runs once everything in it has ended. A node of the child that fails for good fails the run.

**Sleeps.** The moment of waking is stored at the first delivery; the job is put back until then, and holds no worker.
"""

from __future__ import annotations

from typing import NamedTuple

ENTRY = "/"
"""What is added to the id of a subflow's node to name where the subflow begins."""

_MOST_DIGITS = 12


class Place(NamedTuple):
    """An instance taken apart: the node it is a visit of, and the visit of each loop around it, the outer first.

    Of an added node that is the node which added it, or the one that added that.
    """

    node: str
    visit: tuple[int, ...]


def name_of(node: str, visit: tuple[int, ...]) -> str:
    """The name of one visit of a node."""
    return node if all(number == 1 for number in visit) else f"{node}@{'.'.join(map(str, visit))}"


def visit_in(instance: str) -> tuple[str, tuple[int, ...]] | None:
    """The node and the visit of a name such as ``b@2.1``; None where it is none."""
    node, at, text = instance.rpartition("@")
    numbers = text.split(".")
    if not at or not all(_is_number(number) and number[0] != "0" for number in numbers):
        return None
    visit = tuple(map(int, numbers))
    return (node, visit) if max(visit) > 1 else None


def added_in(instance: str) -> tuple[str, int] | None:
    """The adding instance and the position of a name such as ``s[4]``; None where it is none."""
    if not instance.endswith("]"):
        return None
    adding, bracket, text = instance[:-1].rpartition("[")
    if not bracket or not adding or not _is_number(text) or text != str(int(text)):
        return None
    return adding, int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def added_name(adding: str, position: int) -> str:
    """The name of an added node."""
    return f"{adding}[{position}]"
