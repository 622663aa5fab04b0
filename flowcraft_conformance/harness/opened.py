"""The first contact with a target: can it be built, is it what it should be, do its clients share state?"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from flowcraft_conformance.checking.clock import VirtualClock
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.contract.payloads import DeleteOp
from flowcraft_conformance.harness.bench import BenchSettings, open_client
from flowcraft_conformance.harness.errors import CallTimeoutError, TargetError
from flowcraft_conformance.harness.loop import LoopThread
from flowcraft_conformance.harness.profile import Profile
from flowcraft_conformance.harness.proxies import Faults, Proxies
from flowcraft_conformance.harness.surroundings import Surroundings
from flowcraft_conformance.harness.target import LoadedTarget, TargetSpec

_METHODS = {
    Target.STORE: ("increment", "set_if_not_exist", "extend_ttl", "delete", "get"),
    Target.CONTEXT: ("get", "set", "has", "delete", "to_dict", "patch"),
}
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
        clock=VirtualClock() if target.takes_clock else None,
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
        return settings.loop.run(probe(target, settings), within=within, what="building it")
    except CallTimeoutError:
        raise TargetError(
            f"{target.spec.option}: it could not be built and tried within {within:g} s",
            "Is its backend reachable? A target whose calls take longer declares capabilities['call_timeout_seconds'].",
        ) from None


async def _share_store(target: LoadedTarget, settings: BenchSettings) -> bool:
    key, token = f"flowcraft:probe:{uuid.uuid4().hex}", uuid.uuid4().hex
    async with AsyncExitStack() as stack:
        first, second = [await _open(stack, target, settings) for _ in range(2)]
        try:
            await first.set_if_not_exist(key, token, 60)
            if await first.get(key) != token:
                return True  # something else is wrong with it: the checks will say what
            return bool(await second.get(key) == token)
        except Exception:
            return True
        finally:
            await _quietly(lambda: first.delete(key))


async def _share_context(target: LoadedTarget, settings: BenchSettings) -> bool:
    run, token = f"flowcraft-probe-{uuid.uuid4().hex}", uuid.uuid4().hex
    async with AsyncExitStack() as stack:
        first, second = [await _open(stack, target, settings, run) for _ in range(2)]
        try:
            await first.set("probe", token)
            if await first.get("probe") != token:
                return True
            return bool(await second.get("probe") == token)
        except Exception:
            return True
        finally:
            await _quietly(lambda: first.patch([DeleteOp("probe")]))


async def _open(stack: AsyncExitStack, target: LoadedTarget, settings: BenchSettings, *arguments: Any) -> Any:
    keywords = {} if settings.clock is None else {"clock": settings.clock}
    try:
        client = await open_client(stack, target.factory, *arguments, **keywords)
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        raise TargetError(
            f"{target.spec.option}: building it raised {type(error).__name__}: {error}", _build_hint(target.spec, error)
        ) from error
    missing = [name for name in _METHODS[target.spec.kind] if not callable(getattr(client, name, None))]
    if missing:
        raise TargetError(
            f"{target.spec.option}: it gave {_named(client)}, which has no {', '.join(missing)}",
            f"It must give an {_PROTOCOLS[target.spec.kind]}, an awaitable of one, or an async context manager of one.",
        )
    return client


def _build_hint(spec: TargetSpec, error: BaseException) -> str:
    if isinstance(error, TypeError) and "argument" in str(error):
        wanted = "no argument" if spec.kind is Target.STORE else "one argument, the run id"
        return f"The kit calls it with {wanted}; wrap it in a function that supplies the rest."
    return "The kit must be able to build it in this environment: is its backend running, are its settings there?"


def _named(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


async def _quietly(call: Callable[[], Any]) -> None:
    try:
        await call()
    except Exception:
        return
