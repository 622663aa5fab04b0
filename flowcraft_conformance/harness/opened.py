"""The first contact with a target: can it be built, is it what it should be, do its clients share state?"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.payloads import DeleteOp
from flowcraft_conformance.harness.bench import BenchSettings, open_client
from flowcraft_conformance.harness.calls import outcome_of
from flowcraft_conformance.harness.errors import CallTimeoutError, TargetError, describe_error
from flowcraft_conformance.harness.loop import LoopThread
from flowcraft_conformance.harness.profile import Profile
from flowcraft_conformance.harness.proxies import Faults, Proxies
from flowcraft_conformance.harness.surroundings import Surroundings
from flowcraft_conformance.harness.target import LoadedTarget, TargetSpec

_METHODS = {
    Target.STORE: ("increment", "set_if_not_exist", "extend_ttl", "delete", "get"),
    Target.CONTEXT: ("get", "set", "has", "delete", "to_dict", "patch"),
}
_START = 1_000_000.7
"""Seconds on the virtual clock: no whole second, so that a store which rounds its deadlines shows it."""
_PROTOCOLS = {Target.STORE: "ICoordinationStore", Target.CONTEXT: "IAsyncContext"}


def settings_for(
    target: LoadedTarget,
    *,
    loop: LoopThread,
    profile: Profile,
    seed: int,
    shared: bool | None = None,
    proxies: Proxies | None = None,
    variables: Sequence[str] = (),
) -> BenchSettings:
    """What all checks of this target share; ``shared`` None: it is tried out here.

    ``proxies`` None: none are made. ``variables`` are those named by the user; the target may name more. A target that
    starts its own server names it in the variable when it is first built, so the proxies come after that.

    Raises:
        TargetError: the target cannot be built, is of the wrong kind, or its set-up hangs.
    """
    settings = BenchSettings(
        loop=loop,
        capabilities=target.capabilities,
        profile=profile,
        seed=seed,
        clock=VirtualClock(_START) if target.takes_clock else None,
    )
    settings.shared = _shares_state(target, settings) if shared is None else shared
    faults = Faults()
    if proxies is not None:
        named = (*variables, *target.capabilities.proxy_env)
        proxies.stand_before(named)
        faults = proxies.of(named)
    settings.surroundings = Surroundings(target.spec, target.factory, target.capabilities, faults)
    return settings


def _shares_state(target: LoadedTarget, settings: BenchSettings) -> bool:
    """Whether two calls of the factory give clients of one state; also the first proof that it can be built."""
    within = 2 * target.capabilities.call_timeout_seconds
    probe = _share_store if target.spec.kind is Target.STORE else _share_context
    try:
        return settings.loop.run(probe(target, settings), within=within, what="building and trying it")
    except CallTimeoutError as error:
        raise TargetError(
            f"{target.spec.option}: {error}",
            "Is its backend reachable? A target whose calls take longer declares capabilities['call_timeout_seconds'].",
        ) from None


async def _share_store(target: LoadedTarget, settings: BenchSettings) -> bool:
    key, token = f"flowcraft:probe:{uuid.uuid4().hex}", uuid.uuid4().hex
    async with _two_clients(target, settings) as (first, second):
        await outcome_of("set_if_not_exist", lambda: first.set_if_not_exist(key, token, 60))
        shared = await _sees(lambda: first.get(key), lambda: second.get(key), token)
        await outcome_of("delete", lambda: first.delete(key))
    return shared


async def _share_context(target: LoadedTarget, settings: BenchSettings) -> bool:
    run, token = f"flowcraft-probe-{uuid.uuid4().hex}", uuid.uuid4().hex
    async with _two_clients(target, settings, run) as (first, second):
        await outcome_of("set", lambda: first.set("probe", token))
        shared = await _sees(lambda: first.get("probe"), lambda: second.get("probe"), token)
        await outcome_of("patch", lambda: first.patch([DeleteOp("probe")]))
    return shared


async def _sees(first: Callable[[], Any], second: Callable[[], Any], token: str) -> bool:
    """Whether the second client sees what the first one wrote; True where the first does not see it either."""
    seen, error = await outcome_of("get", first)
    if error is not None or not _is(seen, token):
        return True  # something else is wrong with it: the checks will say what
    seen, error = await outcome_of("get", second)
    return error is not None or _is(seen, token)


def _is(seen: object, token: str) -> bool:
    return isinstance(seen, str) and seen == token


@asynccontextmanager
async def _two_clients(target: LoadedTarget, settings: BenchSettings, *arguments: Any) -> AsyncIterator[list[Any]]:
    stack = AsyncExitStack()
    yield [await _open(stack, target, settings, *arguments) for _ in range(2)]
    _, error = await outcome_of("closing", stack.aclose)
    if error is not None:
        raise TargetError(
            f"{target.spec.option}: closing it raised {describe_error(error)}",
            "The kit leaves the async context manager when it has done with a client; that must not raise.",
        ) from error


async def _open(stack: AsyncExitStack, target: LoadedTarget, settings: BenchSettings, *arguments: Any) -> Any:
    keywords = {} if settings.clock is None else {"clock": settings.clock}
    client, error = await outcome_of("building", lambda: open_client(stack, target.factory, *arguments, **keywords))
    if error is not None:
        raise TargetError(
            f"{target.spec.option}: building it raised {describe_error(error)}", _build_hint(target.spec, error)
        ) from error
    missing = [name for name in _METHODS[target.spec.kind] if not _has_method(client, name, target.spec)]
    if missing:
        raise TargetError(
            f"{target.spec.option}: it gave {_named(client)}, which has no {', '.join(missing)}",
            f"It must give an {_PROTOCOLS[target.spec.kind]}, an awaitable of one, or an async context manager of one."
            + (" Decorate it with contextlib.asynccontextmanager." if inspect.isasyncgen(client) else ""),
        )
    return client


def _has_method(client: object, name: str, spec: TargetSpec) -> bool:
    try:
        return callable(getattr(client, name, None))
    except BaseException as error:
        raise TargetError(
            f"{spec.option}: looking up {name} on {_named(client)} raised {describe_error(error)}",
            f"Every method of an {_PROTOCOLS[spec.kind]} must be an ordinary attribute.",
        ) from error


def _build_hint(spec: TargetSpec, error: BaseException) -> str:
    if isinstance(error, TypeError) and "argument" in describe_error(error):
        wanted = "no argument" if spec.kind is Target.STORE else "one argument, the run id"
        return f"The kit calls it with {wanted}; wrap it in a function that supplies the rest."
    return "The kit must be able to build it in this environment: is its backend running, are its settings there?"


def _named(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"
