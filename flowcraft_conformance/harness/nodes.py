"""The node functions of the kit's own workflows: what they give depends on their params and their input alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flowcraft_conformance.contract.blueprint import NodeDefinition
from flowcraft_conformance.contract.payloads import NodeContext, NodeResult
from flowcraft_conformance.contract.protocols import NodeFunction

CLOCK = "clock"
"""The name under which a node finds the clock among its dependencies."""


class KitNodeError(RuntimeError):
    """What a node of the kit fails with."""


async def echo(given: NodeContext) -> dict[str, Any]:
    """Who it is and what it was given: an output that shows every mistake made before it."""
    return {"by": given.params.get("name"), "input": given.input}


async def constant(given: NodeContext) -> Any:
    """``params.value``."""
    return given.params.get("value")


async def act(given: NodeContext) -> NodeResult:
    """As ``echo``, with the action ``params.action``."""
    return NodeResult(await echo(given), given.params.get("action"))


async def put(given: NodeContext) -> dict[str, Any]:
    """Set the context keys of ``params.set`` and delete those of ``params.delete``."""
    for key, value in given.params.get("set", {}).items():
        await given.context.set(key, value)
    for key in given.params.get("delete", ()):
        await given.context.delete(key)
    return await echo(given)


async def fail(given: NodeContext) -> Any:
    """Fail, every time."""
    raise KitNodeError(given.params.get("message", "this node always fails"))


async def slow(given: NodeContext) -> dict[str, Any]:
    """Take ``params.seconds``."""
    await given.dependencies[CLOCK].sleep(given.params.get("seconds", 1))
    return await echo(given)


async def spoil(given: NodeContext) -> dict[str, Any]:
    """Change what was passed in, params and input alike, as a careless node does."""
    output = await echo(given)
    if isinstance(given.input, dict):
        given.input.clear()
    if isinstance(given.params, dict):
        given.params.clear()
    return output


async def count(given: NodeContext) -> dict[str, Any]:
    """Add 1 to the context key ``params.key``: what runs once too often shows in it."""
    key = given.params.get("key", "n")
    number = (await given.context.get(key) or 0) + 1
    await given.context.set(key, number)
    return {"by": given.params.get("name"), "input": given.input, "count": number}


async def work(given: NodeContext) -> dict[str, Any]:
    """What a batch does for one item."""
    return {"done": given.input}


async def work_but(given: NodeContext) -> dict[str, Any]:
    """The same, failing for the item ``"bad"``."""
    if given.input == "bad":
        raise KitNodeError("the bad item came")
    return await work(given)


async def add(given: NodeContext) -> NodeResult:
    """Add the nodes of ``params.nodes``, upstream's JSON, to the run."""
    nodes = tuple(NodeDefinition.from_dict(one) for one in given.params.get("nodes", ()))
    return NodeResult(await echo(given), dynamic_nodes=nodes)


def execution_name(uses: str, given: NodeContext) -> str:
    """What an execution is called: the name a node knows, and for an item of a batch what is done to which."""
    name = given.params.get("name")
    return str(name) if name is not None else f"{uses} of {json.dumps(given.input, default=repr)}"


class Flaky:
    """Fails ``params.failures`` times, then gives what ``echo`` gives. The count is this registry's."""

    def __init__(self) -> None:
        self._failed: dict[str, int] = {}

    async def __call__(self, given: NodeContext) -> dict[str, Any]:
        """One attempt."""
        name = str(given.params.get("name"))
        failed = self._failed.get(name, 0)
        if failed < given.params.get("failures", 1):
            self._failed[name] = failed + 1
            raise KitNodeError(f"failure {failed + 1} of {given.params.get('failures', 1)}")
        return await echo(given)


def kit_registry() -> Mapping[str, NodeFunction]:
    """A registry of its own for one run: counts start at zero."""
    return {
        "echo": echo,
        "constant": constant,
        "act": act,
        "put": put,
        "fail": fail,
        "slow": slow,
        "spoil": spoil,
        "flaky": Flaky(),
        "count": count,
        "work": work,
        "work_but": work_but,
        "add": add,
    }
