"""The coordination store while its server is cut off, silent or loses replies, and while its callers are cancelled."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from flowcraft_conformance.checking.coordination_model import CoordinationModel
from flowcraft_conformance.checking.drawing import shorten
from flowcraft_conformance.checking.history import raised_as_open
from flowcraft_conformance.contract.verdicts import Inconclusive
from flowcraft_conformance.harness.calls import StoreClient, TargetRaised
from flowcraft_conformance.harness.errors import CallTimeoutError
from flowcraft_conformance.harness.proxies import Faults
from flowcraft_conformance.harness.proxy import Fault, FaultPlan
from flowcraft_conformance.harness.races import judge_history, start_together
from flowcraft_conformance.harness.spaces import StoreBench, StoreSpace
from flowcraft_conformance.suites.coordination_races import operation_of, random_calls
from flowcraft_conformance.suites.suite import checks

_LONG_TTL = 600
_SLACK_SECONDS = 2.0
"""A busy machine may bring the end of a call to our notice this much late."""
_BACK_SECONDS = 5.0
"""How soon after its backend a store works again."""
_OPERATIONS = ("increment", "set_if_not_exist", "extend_ttl", "delete", "get")
_CUTS = (Fault.CUT_OFF, Fault.CUT_REQUESTS, Fault.CUT_REPLIES)
_SHARE_CUT = 0.04
_STEPS = (0, 0, 0, 1, 1, 2, 2, 3, 4, 6, 9, 12)
"""Steps of the loop before a call is cancelled: most are few, since a call near at hand takes few."""
_LATE = FaultPlan(Fault.DELAY, delay_seconds=0.003)


class CoordinationFaults:
    """What must hold when calls fail, hang or are cancelled."""

    @checks("COORD-ERR-01")
    def test_a_backend_that_is_cut_off_is_an_error(self, flowcraft_store_bench: StoreBench) -> None:
        faults = flowcraft_store_bench.settings.surroundings.faults()

        async def body(space: StoreSpace) -> None:
            client = await _faulty_client(space)
            rounds = {fault: [await _prepared(space, client, name, fault) for name in _OPERATIONS] for fault in _CUTS}
            _expect_traffic(faults)
            for fault, trials in rounds.items():
                for trial in trials:
                    await _settled(client, space)
                    with faults.during(FaultPlan(fault, times=None if fault is Fault.CUT_OFF else 1)):
                        await trial.run()
                    _expect_no_lie(space, trial, fault)
            fresh = await space.client(1)
            for fault, trials in rounds.items():
                for trial in trials:
                    await _expect_effect(space, fresh, trial, fault)

        flowcraft_store_bench.run(body)

    @checks("COORD-ERR-02")
    def test_a_silent_backend_is_an_error_in_time(self, flowcraft_store_bench: StoreBench) -> None:
        faults = flowcraft_store_bench.settings.surroundings.faults()

        async def body(space: StoreSpace) -> None:
            connected, unconnected = await _faulty_client(space), await space.client(1)
            trials = [await _prepared(space, connected, name, Fault.SILENT) for name in _OPERATIONS]
            trials += [_Trial(unconnected, trial.name, trial.key, trial.right) for trial in trials]
            _expect_traffic(faults)
            with faults.during(FaultPlan(Fault.SILENT)):
                await asyncio.gather(*[trial.run() for trial in trials])
            for trial in trials:
                if trial.hung:
                    raise space.violated(
                        f"{trial.name} had neither returned nor raised {space.recorder.within:g} s after the backend "
                        f"fell silent (call_timeout_seconds is {space.capabilities.call_timeout_seconds:g})"
                    )
                _expect_no_lie(space, trial, Fault.SILENT)

        flowcraft_store_bench.run(body)

    @checks("COORD-ERR-03")
    def test_a_store_works_again_once_its_backend_is_back(self, flowcraft_store_bench: StoreBench) -> None:
        faults = flowcraft_store_bench.settings.surroundings.faults()

        async def body(space: StoreSpace) -> None:
            client = await _faulty_client(space)
            trials = [await _prepared(space, client, name, Fault.CUT_OFF) for name in _OPERATIONS]
            _expect_traffic(faults)
            with faults.during(FaultPlan(Fault.CUT_OFF)):
                await asyncio.gather(*[trial.run() for trial in trials])
            deadline = time.monotonic() + _BACK_SECONDS
            while broken := await _broken(space, client):
                if time.monotonic() > deadline:
                    raise space.violated(f"{broken} {_BACK_SECONDS:g} s after the backend was back")
                await asyncio.sleep(0.1)

        flowcraft_store_bench.run(body)

    @checks("COORD-ERR-04")
    def test_a_cancelled_call_crosses_no_answer(self, flowcraft_store_bench: StoreBench) -> None:
        async def body(space: StoreSpace) -> None:
            await _cancel_among_others(space, flowcraft_store_bench.random(), rounds=4 * space.profile.rounds)

        flowcraft_store_bench.run(body)

    @checks("COORD-ERR-04")
    def test_a_call_cancelled_before_its_late_reply_crosses_no_answer(self, flowcraft_store_bench: StoreBench) -> None:
        faults = flowcraft_store_bench.settings.surroundings.faults()

        async def body(space: StoreSpace) -> None:
            with faults.during(_LATE):
                await _cancel_among_others(
                    space, flowcraft_store_bench.random(), rounds=space.profile.rounds, longest=0.012
                )

        flowcraft_store_bench.run(body)

    @checks("COORD-LIN-01")
    def test_a_call_whose_reply_is_lost_is_not_made_again(self, flowcraft_store_bench: StoreBench) -> None:
        faults = flowcraft_store_bench.settings.surroundings.faults()

        async def body(space: StoreSpace) -> None:
            client, fresh = await _faulty_client(space), await space.client(1)
            for skip in range(3):
                for name in ("increment", "set_if_not_exist", "delete", "extend_ttl"):
                    trial = await _prepared(space, client, name, f"lost{skip}")
                    _expect_traffic(faults)
                    await _settled(client, space)
                    with faults.during(FaultPlan(Fault.CUT_REPLIES, skip=skip, times=1)):
                        await trial.run()
                    await _judge_key(space, fresh, trial)

        flowcraft_store_bench.run(body)

    @checks("COORD-LIN-01")
    def test_histories_over_failing_connections_are_linearizable(self, flowcraft_store_bench: StoreBench) -> None:
        faults = flowcraft_store_bench.settings.surroundings.faults()

        async def body(space: StoreSpace) -> None:
            dice = flowcraft_store_bench.random()
            await _faulty_client(space)
            clients = await space.clients(5)
            for number in range(space.profile.rounds):
                keys = [space.key(f"r{number}-{name}") for name in ("a", "b")[: dice.randint(1, 2)]]
                space.recorder.records.clear()
                fault = (Fault.CUT_REPLIES, Fault.CUT_REQUESTS)[number % 2]
                with faults.during(FaultPlan(fault, strikes=lambda: dice.random() < _SHARE_CUT)):
                    await start_together([random_calls(client, keys, dice) for client in clients], dice=dice)
                _expect_traffic(faults)
                _judge(space)

        flowcraft_store_bench.run(body)


@dataclass(slots=True)
class _Trial:
    """One call that is made during a fault: what a working backend would answer, and what came."""

    client: StoreClient
    name: str
    key: str
    right: Any
    value: Any = None
    error: BaseException | None = None
    hung: bool = False

    async def run(self) -> None:
        """Make the call."""
        arguments = {"set_if_not_exist": ("v", _LONG_TTL), "increment": (_LONG_TTL,), "extend_ttl": (_LONG_TTL,)}
        try:
            self.value = await getattr(self.client, self.name)(self.key, *arguments.get(self.name, ()))
        except TargetRaised as raised:
            self.error = raised.error
        except CallTimeoutError:
            self.hung = True

    @property
    def returned(self) -> bool:
        """Whether it came to an answer."""
        return self.error is None and not self.hung


async def _faulty_client(space: StoreSpace) -> StoreClient:
    """The space's first client; a call of it that hangs is this check's own matter."""
    space.own_health()
    space.recorder.within = space.capabilities.call_timeout_seconds + _SLACK_SECONDS
    return await space.client()


async def _prepared(space: StoreSpace, client: StoreClient, name: str, what: str) -> _Trial:
    """A call on a key of its own, on which a right answer is none that a failure could be mistaken for."""
    key = space.key(f"{what.replace(' ', '-')}-{name}")
    if name == "increment":
        await client.increment(key, _LONG_TTL)
        return _Trial(client, name, key, 2)
    if name == "set_if_not_exist":
        return _Trial(client, name, key, True)
    await client.set_if_not_exist(key, "before", _LONG_TTL)
    return _Trial(client, name, key, {"extend_ttl": True, "delete": None, "get": "before"}[name])


def _expect_traffic(faults: Faults) -> None:
    if not faults.traffic.bytes:
        raise Inconclusive(
            "the proxy carried no byte: the target must read the variable with its server's address when it connects, "
            "or be imported after it was set (--flowcraft-proxy)"
        )


async def _settled(client: StoreClient, space: StoreSpace) -> None:
    """Let the client notice what happened to its connections before: that is COORD-ERR-03's matter."""
    for _ in range(3):
        try:
            await client.get(space.key("nothing"))
        except (TargetRaised, CallTimeoutError):
            continue
        return


def _expect_no_lie(space: StoreSpace, trial: _Trial, fault: Fault) -> None:
    if trial.hung:
        raise space.violated(f"{trial.name} did not raise ({_TOLD[fault]})")
    if trial.returned and trial.value != trial.right and not trial.value:
        raise space.violated(
            f"{trial.name} returned {shorten(trial.value)} ({_TOLD[fault]}), want an error: "
            f"a working backend would have said {shorten(trial.right)}"
        )


_TOLD = {
    Fault.CUT_OFF: "the backend was cut off",
    Fault.CUT_REQUESTS: "the connection was cut before the request arrived",
    Fault.CUT_REPLIES: "the connection was cut before the reply arrived",
    Fault.SILENT: "the backend was silent",
}


async def _expect_effect(space: StoreSpace, fresh: StoreClient, trial: _Trial, fault: Fault) -> None:
    """What a call said to have done is done."""
    if not trial.returned or trial.name not in ("set_if_not_exist", "delete", "increment"):
        return
    wanted = {"set_if_not_exist": "v", "delete": None, "increment": str(trial.value)}[trial.name]
    stored = await fresh.get(trial.key)
    if stored != wanted:
        raise space.violated(
            f"{trial.name} returned {shorten(trial.value)} ({_TOLD[fault]}), and then the key holds {shorten(stored)}, "
            f"want {shorten(wanted)} or an error"
        )


async def _broken(space: StoreSpace, client: StoreClient) -> str:
    """What the first of the five operations that does not work says; empty where all do."""
    key = space.key("again")
    calls: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
        ("delete", lambda: client.delete(key)),
        ("set_if_not_exist", lambda: client.set_if_not_exist(key, "v", _LONG_TTL)),
        ("get", lambda: client.get(key)),
        ("extend_ttl", lambda: client.extend_ttl(key, _LONG_TTL)),
        ("delete", lambda: client.delete(key)),
        ("increment", lambda: client.increment(key, _LONG_TTL)),
    ]
    for (name, call), want in zip(calls, (None, True, "v", True, None, 1), strict=True):
        try:
            got = await call()
        except TargetRaised as raised:
            return f"{name} raised {type(raised.error).__name__}: {raised.error}"
        except CallTimeoutError:
            return f"{name} did not return"
        if got != want:
            return f"{name} returned {shorten(got)}, want {shorten(want)}"
    return ""


async def _cancel_among_others(space: StoreSpace, dice: random.Random, *, rounds: int, longest: float = 0.002) -> None:
    """Callers with keys of their own share one client, and some of their calls are cancelled."""
    client = await space.client()
    for number in range(rounds):
        space.recorder.records.clear()
        names = [f"n{number}-{caller}" for caller in range(6)]
        victims = [asyncio.ensure_future(_victim(client, space.key(f"{name}-v"), dice)) for name in names]
        callers = [asyncio.ensure_future(_caller(space, client, space.key(name), name)) for name in names]
        moments = [
            (dice.choice(_STEPS), 0.0) if dice.random() < 0.5 else (0, dice.uniform(0, longest)) for _ in victims
        ]
        await asyncio.gather(*[_cancel(victim, *at) for victim, at in zip(victims, moments, strict=True)])
        await asyncio.wait(victims, timeout=space.recorder.within)
        if any(not victim.done() for victim in victims):
            raise space.violated("a call that was cancelled did not end")
        for ended in await asyncio.gather(*callers, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended
    if broken := await _broken(space, client):
        raise space.violated(f"after other calls were cancelled, {broken}")


async def _cancel(victim: asyncio.Future[None], steps: int, seconds: float) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)
    if seconds:
        await asyncio.sleep(seconds)
    victim.cancel()


async def _victim(client: StoreClient, key: str, dice: random.Random) -> None:
    what = dice.randrange(3)
    try:
        if what == 0:
            await client.increment(key, _LONG_TTL)
        elif what == 1:
            await client.set_if_not_exist(key, "of one who was cancelled", _LONG_TTL)
        else:
            await client.get(key)
    except TargetRaised:  # an error in place of the cancellation is an end as well
        return


async def _caller(space: StoreSpace, client: StoreClient, key: str, name: str) -> None:
    expected = (
        ("set_if_not_exist", (name, _LONG_TTL), True),
        ("get", (), name),
        ("extend_ttl", (_LONG_TTL,), True),
        ("delete", (), None),
        ("increment", (_LONG_TTL,), 1),
        ("get", (), "1"),
    )
    for call, arguments, want in expected:
        got = await getattr(client, call)(key, *arguments)
        if got != want or type(got) is not type(want):
            mine = [record for record in space.recorder.records if record.arguments[0] == key]
            cut = [record for record in space.recorder.records if record.end is None][-6:]
            space.recorder.records[:] = [*cut, *mine]
            raise space.violated(
                f"{call} of a caller with a key of its own gave {shorten(got)}, want {shorten(want)}, "
                "while calls of others were cancelled"
            )


async def _judge_key(space: StoreSpace, fresh: StoreClient, trial: _Trial) -> None:
    """Look at what became of the key, and judge all calls on it."""
    if trial.hung:
        raise Inconclusive(f"{trial.name} hung when its connection was cut: see COORD-ERR-01")
    if trial.name == "increment":
        await fresh.increment(trial.key, _LONG_TTL)
    await fresh.get(trial.key)
    everything = space.recorder.records
    space.recorder.records = [record for record in everything if record.arguments[0] == trial.key]
    try:
        _judge(space)
    finally:
        space.recorder.records = everything


def _judge(space: StoreSpace) -> None:
    judge_history(
        space,
        raised_as_open(operation_of(record) for record in space.recorder.records),
        CoordinationModel(space.capabilities.ttl_granularity, space.capabilities.ttl_lag),
        partition=lambda operation: operation.input.key,
    )
