"""One run as a short text that any process can do again: the workflow and the plan."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass, replace

from flowcraft_conformance.checking.blueprints import EXAMPLES
from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.harness.captured.plan import Plan
from flowcraft_conformance.harness.captured.scenario import Scenario

_PACKED = "~"


@dataclass(frozen=True, slots=True)
class Replay:
    """A workflow by name, or packed where it is none of the kit's examples as they are, and a plan."""

    name: str
    plan: Plan
    blueprint: WorkflowBlueprint | None = None

    def encode(self) -> str:
        """``diamond/c12+``, or ``random~eJyrV.../c12+``."""
        packed = "" if self.blueprint is None else _PACKED + _pack(self.blueprint)
        return f"{self.name}{packed}/{self.plan.encode()}"

    @classmethod
    def decode(cls, text: str) -> Replay:
        """What :meth:`encode` made.

        Raises:
            ValueError: it is nothing of this kind.
        """
        graph, slash, plan = text.rpartition("/")
        name, _, packed = graph.partition(_PACKED)
        if not slash or not name:
            raise ValueError(f"{text!r} is no replay; one looks like diamond/c12+ and stands below a failure")
        return cls(name, Plan.decode(plan), _unpack(packed) if packed else None)

    @classmethod
    def of(cls, scenario: Scenario, plan: Plan) -> Replay:
        """The text of a run that was seen."""
        blueprint = scenario.blueprint
        return cls(blueprint.id, plan, None if EXAMPLES.get(blueprint.id) == blueprint else blueprint)

    def on(self, scenario: Scenario) -> Scenario | None:
        """The scenario with the replay's workflow; None where it is about another one."""
        if scenario.blueprint.id != self.name:
            return None
        return scenario if self.blueprint is None else replace(scenario, blueprint=self.blueprint)


def _pack(blueprint: WorkflowBlueprint) -> str:
    text = json.dumps(blueprint.to_dict(), separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def _unpack(packed: str) -> WorkflowBlueprint:
    try:
        text = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        return WorkflowBlueprint.from_dict(json.loads(text))
    except (binascii.Error, zlib.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"the workflow {packed[:20]!r}... of the replay cannot be read: {error}") from error
