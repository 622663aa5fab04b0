"""Targets that hang, block, raise what nobody expects and leave things behind: a verdict, soon, and a clean end."""

from __future__ import annotations

import time

import pytest

from tests.empty_folder import prepare, run

_TARGETS = """
import asyncio, threading, time
from reference_adapters.memory import SharedMemoryStore as Store

class Soon(Store):
    capabilities = {"call_timeout_seconds": 0.3}
async def deaf():
    while True:
        try: await asyncio.sleep(1000)
        except asyncio.CancelledError: pass
def later(name, do):  # a store one of whose calls does something first
    async def call(self, *arguments):
        if "probe" not in arguments[0]: await do()
        return await getattr(Store, name)(self, *arguments)
    return type("Target", (Soon,), {name: call})
async def block(): time.sleep(1000)
async def spin():
    while True: pass
async def never(): await asyncio.sleep(1000)
async def late():
    try: await asyncio.sleep(1000)
    except asyncio.CancelledError: pass
async def in_thread(): await asyncio.to_thread(time.sleep, 1000)
async def in_task(): asyncio.ensure_future(block())
async def cancel_itself(): asyncio.current_task().cancel(); await asyncio.sleep(0)

Never, Blocks, Spins, Swallows = (later("increment", do) for do in (never, block, spin, deaf))
Late, InThread, InTask, CancelsItself = (later("increment", do) for do in (late, in_thread, in_task, cancel_itself))
CannotDelete, BlocksDelete, SwallowsDelete = (later("delete", do) for do in (never, block, deaf))

built = 0
async def third():
    global built
    built += 1
    if built > 2: await asyncio.sleep(1000)
    return Store()
third.capabilities = Soon.capabilities
class NoThird(Store):
    built = 0
    def __init__(self, **keywords):
        super().__init__(**keywords)
        NoThird.built += 1
        if NoThird.built > 2: raise RuntimeError("too many clients")

def raising(error):
    async def increment(self, key, ttl_seconds): raise error
    return type("Target", (Store,), {"increment": increment})
Exits, Interrupts = raising(SystemExit(3)), raising(KeyboardInterrupt())
Ends, Cancels = raising(GeneratorExit()), raising(asyncio.CancelledError())

class Synchronous(Store):
    def increment(self, key, ttl_seconds): return 1
class Coroutine(Store):
    async def increment(self, key, ttl_seconds): return super().increment(key, ttl_seconds)
class Weird:
    __hash__ = None
    def __eq__(self, other): raise RuntimeError
    def __repr__(self): raise RuntimeError
class OfNoType(Store):
    async def get(self, key): return Weird()

class LeaksTasks(Store):
    async def increment(self, key, ttl_seconds):
        asyncio.ensure_future(deaf())
        return await super().increment(key, ttl_seconds)
class StrayExit(Store):
    async def increment(self, key, ttl_seconds):
        async def leave(): raise SystemExit(5)
        asyncio.ensure_future(leave())
        return await super().increment(key, ttl_seconds)
class LeaksThreads(Store):
    async def increment(self, key, ttl_seconds):
        threading.Thread(target=time.sleep, args=(1000,), daemon=False).start()
        return await super().increment(key, ttl_seconds)
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with hostile targets."""
    return prepare(pytester, monkeypatch, mine=_TARGETS)


def _assert_clean(shown: pytest.RunResult) -> None:
    for noise in ("INTERNALERROR", "Traceback", "never awaited", "Exception ignored", "was destroyed"):
        assert noise not in shown.stdout.str() + shown.stderr.str()


_HANG = [
    ("Never", "increment did not return within 0.3 s"),
    ("Blocks", "*blocked the event loop for more than 0.3 s (*mine.py, line *)"),
    ("Spins", "*blocked the event loop for more than 0.3 s (*mine.py, line *)"),
    ("Swallows", "increment did not return within 0.3 s, and did not end when it was cancelled"),
    ("Late", "increment did not return within 0.3 s"),
    ("InThread", "increment did not return within 0.3 s"),
    ("InTask", "block blocked the event loop for more than 0.3 s (*mine.py, line *)"),
    ("CancelsItself", "*was cancelled from within, by the target's own code"),
    ("CannotDelete", "delete did not return within 0.3 s"),
    ("BlocksDelete", "*blocked the event loop for more than 0.3 s (*mine.py, line *)"),
    ("SwallowsDelete", "delete did not return within 0.3 s, and did not end when it was cancelled"),
    ("third", "building a client did not return within 0.3 s"),
]


@pytest.mark.parametrize(("target", "said"), _HANG, ids=[target for target, _ in _HANG])
def test_the_first_hang_is_the_failure_and_the_rest_is_cheap(folder: pytest.Pytester, target: str, said: str) -> None:
    some = () if target in {"Swallows", "CannotDelete"} else ("-k", "COORD-INC or COORD-DEL or COORD-KEY")
    shown = run(folder, f"--flowcraft-store=mine:{target}", *some)
    verdicts = [line for line in shown.stdout.str().splitlines() if line.startswith("    COORD-")]  # all but passes
    failed = [line for line in verdicts if " fail" in line.partition(":")[0]]
    # One that swallows cancellation breaks the clause about cancelled calls besides.
    assert len([line for line in failed if "COORD-ERR-04" not in line]) <= 1 <= len(failed), verdicts
    assert len(verdicts) > 3, verdicts
    others = [line for line in verdicts if line not in failed and "unsupported" not in line]
    assert all("hung before" in line or "new event loop" in line for line in others), verdicts
    shown.stdout.fnmatch_lines([f"    COORD-*fail: {said}", "verdict: not-conformant*"])
    assert shown.ret == 1
    _assert_clean(shown)


_WRONG = ["NoThird", "Exits", "Interrupts", "Ends", "Cancels", "Synchronous", "Coroutine", "OfNoType"]


@pytest.mark.parametrize("target", _WRONG)
def test_what_it_raises_or_returns_is_the_clauses_failure(folder: pytest.Pytester, target: str) -> None:
    shown = run(folder, f"--flowcraft-store=mine:{target}")
    shown.stdout.fnmatch_lines(["verdict: not-conformant*"])
    assert "inconclusive" not in shown.stdout.str()
    assert shown.ret == 1
    _assert_clean(shown)


@pytest.mark.parametrize("target", ["LeaksTasks", "StrayExit", "LeaksThreads"])
def test_what_it_leaves_behind_does_not_keep_the_run_from_ending(folder: pytest.Pytester, target: str) -> None:
    shown = run(folder, f"--flowcraft-store=mine:{target}", "-k", "INC-01 or INC-03 or SET")
    shown.stdout.fnmatch_lines(["verdict: inconclusive (* none broken)"])
    assert shown.ret == 0
    assert ("never ended" in shown.stderr.str()) == (target == "LeaksThreads")
    _assert_clean(shown)


def test_a_call_is_given_what_its_target_declares(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        slow="""
        import asyncio, time
        from reference_adapters.memory import SharedMemoryStore
        class Slow(SharedMemoryStore):
            capabilities = {"call_timeout_seconds": 30}
            async def get(self, key):
                time.sleep(2.5)  # blocks, and no longer than it declares
                return await super().get(key)
        """
    )
    started = time.monotonic()
    shown = run(folder, "--flowcraft-store=slow:Slow", "-k", "COORD-GET-01")
    assert time.monotonic() - started > 2.5
    shown.stdout.fnmatch_lines(["verdict: inconclusive (* none broken)"])
    assert "COORD-GET-01 inconclusive" not in shown.stdout.str()
