"""What lies around a target: its servers, behind proxies, and other processes with the same target in them."""

from __future__ import annotations

import importlib
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.payloads import SetOp
from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive, Unobservable, Unsupported
from flowcraft_conformance.harness.adapter_harness import AdapterHarness
from flowcraft_conformance.harness.calls import CallRecord
from flowcraft_conformance.harness.proxies import Faults
from flowcraft_conformance.harness.target import TargetSpec
from flowcraft_conformance.harness.workers.outside import FILES
from flowcraft_conformance.harness.workers.pool import WorkerPool
from flowcraft_conformance.harness.workers.process import WorkerError, WorkerOrder
from flowcraft_conformance.harness.workers.wire import Lane, PlannedCall

_PROBE_TTL = 60


class Surroundings:
    """Found out when a check first asks, and known from then on. Without a target nothing can be seen."""

    def __init__(
        self,
        spec: TargetSpec | None = None,
        factory: Any = None,
        capabilities: Capabilities | None = None,
        faults: Faults | None = None,
        *,
        part: Target | None = None,
        pool: WorkerPool | None = None,
    ) -> None:
        """``part``, ``pool``: of an adapter, its store or its contexts, and the processes that both of these share."""
        self._kind = spec.kind if spec else Target.STORE
        self._part = part or self._kind
        self._capabilities = capabilities or Capabilities()
        self._faults = faults or Faults()
        if pool is None and spec is not None and (address := address_of(spec, factory)) is not None:
            pool = WorkerPool(WorkerOrder(spec.kind, address, self._faults.direct))
        self._pool = pool
        self._shared: bool | None = None
        self._outside: Sequence[str] = ()
        self._failed: Exception | None = None

    def pool(self) -> WorkerPool:
        """The worker processes of a target that is one and the same in all of them.

        Raises:
            Unsupported: it is declared or found to belong to one process (COORD-PROC-01).
            ClauseViolation: it declares ``processes``, and a second process does not see what the first one wrote; or
                the other way round.
            Unobservable: it cannot be started in another process.
        """
        self._look()
        assert self._pool is not None
        declared = self._capabilities.processes
        if declared is None and not self._shared:
            raise Unsupported("a second process does not see the first one's key: it belongs to one process")
        if declared is False and not self._shared:
            raise Unsupported("processes is declared False, and a second process does not see the first one's key")
        if declared is False:
            raise ClauseViolation(
                "processes is declared False, but a second process sees the first one's key: what is shared must be "
                "right between processes"
            )
        if not self._shared:
            raise ClauseViolation("processes is declared, but a second process does not see the first one's key")
        return self._pool

    def faults(self) -> Faults:
        """The proxies in front of the target's servers.

        Raises:
            Unsupported: it reaches nothing outside of its process, so that nothing can fail.
            Inconclusive: a variable was named, and no proxy can stand in front of what it holds.
            Unobservable: no variable was named.
        """
        if self._faults.proxies:
            return self._faults
        if self._faults.why_none:
            raise Inconclusive(f"no proxy could be put in front of its server: {self._faults.why_none}")
        try:
            self._look()
        except Unobservable as error:
            raise Unobservable(f"{_NO_PROXY}; and {error}") from None
        if self._shared or self._outside:
            raise Unobservable(_why_no_proxy(self._outside))
        raise Unsupported("it reaches nothing outside of its own process: there is no backend that could fail or cost")

    @property
    def known_faults(self) -> Faults:
        """The proxies in front of the target's servers, which may be none."""
        return self._faults

    def close(self) -> None:
        """End the worker processes."""
        if self._pool is not None:
            self._pool.close()

    def _look(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._shared is not None:
            return
        try:
            self._shared, self._outside = self._ask()
        except (WorkerError, Unobservable) as error:
            self._failed = Unobservable(str(error))
            raise self._failed from None

    def _ask(self) -> tuple[bool, Sequence[str]]:
        if self._pool is None:
            raise Unobservable(
                "another process could not be given this target, which was handed over as an object; name it by "
                f"--flowcraft-{self._kind}=module:name, or let its module hold it under its own name"
            )
        token, name = uuid.uuid4().hex, f"flowcraft-probe-{uuid.uuid4().hex}"
        calls, look, tidy = _PROBES[self._part](name, token)
        arguments = () if self._part is Target.STORE else (name,)
        first = self._run([Lane(0, calls, arguments)], [Lane(1, [], arguments)])
        second = self._run([], [Lane(1, [look], arguments)])
        outside = self._pool.reaches_outside()
        self._run([Lane(0, tidy, arguments)])
        written = next((record for record in first if record.name == look.name), None)
        if written is None or written.error is not None or written.output != token:
            outcome = None if written is None else written.error or written.output
            raise Unobservable(f"in another process its {look.name} gave {outcome!r}, want {token!r}")
        return bool(second and second[0].output == token), outside

    def _run(self, *programs: Sequence[Lane]) -> list[CallRecord]:
        assert self._pool is not None
        call_seconds = self._capabilities.call_timeout_seconds
        longest = max((len(lane.calls) for program in programs for lane in program), default=0)
        return self._pool.run(programs, call_seconds=call_seconds, within=(longest + 1) * call_seconds)


def adapter_surroundings(
    spec: TargetSpec, named: Any, scope: str, capabilities: Capabilities, faults: Faults, *, store: str | None = ""
) -> tuple[Mapping[Target, Surroundings], WorkerOrder | None]:
    """What lies around the store and the contexts of an adapter, and what its worker processes are started from.

    ``named`` is the author's harness or adapter class, ``store`` the ``module:name`` of the store that a bare class is
    given: empty where there is none, None where no other process can import it.
    """
    address = address_of(spec, named) if store is not None else None
    order = WorkerOrder(Target.ADAPTER, address, faults.direct, scope, store or "") if address else None
    pool = WorkerPool(order) if order else None
    # What a bare class that brings no store declares is the kit's word about its store, and not about its contexts.
    bare = not issubclass(named, AdapterHarness) and not store
    found_out = replace(capabilities, processes=None) if bare else capabilities
    parts = {Target.STORE: capabilities, Target.CONTEXT: found_out}
    around = {
        part: Surroundings(TargetSpec(Target.ADAPTER, spec.text), None, declared, faults, part=part, pool=pool)
        for part, declared in parts.items()
    }
    return around, order


_BACKEND = "no proxy stands before its backend"
_NO_PROXY = f"{_BACKEND}: name the variable that holds its address by --flowcraft-proxy=ENV_VAR"


def _why_no_proxy(reached: Sequence[str]) -> str:
    """The reason, and the way out where there is one: a target on files has no address that could be named."""
    if reached and FILES.issuperset(reached):
        return f"{_BACKEND}: it works on files, and has no connection that could be cut"
    return _NO_PROXY + (f" (it reaches {', '.join(reached)})" if reached else "")


_Probe = tuple[list[PlannedCall], PlannedCall, list[PlannedCall]]


def _store_probe(name: str, token: str) -> _Probe:
    """Every operation on keys of this name, the look at the key that holds the token, and what removes it again."""
    counter = f"{name}-count"
    look = PlannedCall("get", (name,))
    calls = [
        PlannedCall("set_if_not_exist", (name, token, _PROBE_TTL)),
        PlannedCall("increment", (counter, _PROBE_TTL)),
        PlannedCall("extend_ttl", (name, _PROBE_TTL)),
        PlannedCall("delete", (counter,)),
        look,
    ]
    return calls, look, [PlannedCall("delete", (name,))]


def _context_probe(_name: str, token: str) -> _Probe:
    """The same for a run, of which the name is the id."""
    look = PlannedCall("get", ("probe",))
    calls = [
        PlannedCall("set", ("probe", token)),
        PlannedCall("patch", ([SetOp("more", 1)],)),
        PlannedCall("has", ("probe",)),
        PlannedCall("to_dict", ()),
        look,
    ]
    return calls, look, [PlannedCall("delete", ("probe",)), PlannedCall("delete", ("more",))]


_PROBES = {Target.STORE: _store_probe, Target.CONTEXT: _context_probe}


def address_of(spec: TargetSpec, factory: Any) -> str | None:
    """``module:name`` under which another process can import the factory; None where there is none."""
    own = f"{getattr(factory, '__module__', None)}:{getattr(factory, '__qualname__', None)}"
    return next((text for text in (spec.text, own) if _leads_to(text, factory)), None)


def _leads_to(text: str, factory: Any) -> bool:
    module, _, path = text.partition(":")
    if module == "__main__" or not all(part.isidentifier() for part in [*module.split("."), *path.split(".")]):
        return False
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError):
        return False
    return found is factory
