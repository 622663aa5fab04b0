"""From ``module:name`` on the command line to an object: every mistake ends in one clear message."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from flowcraft_conformance.contract.capabilities import Capabilities, CapabilityError
from flowcraft_conformance.contract.clauses.model import Target
from flowcraft_conformance.harness.errors import TargetError, describe_error


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """One target as it was named: its kind and ``module:name``."""

    kind: Target
    text: str

    @property
    def option(self) -> str:
        """The command-line argument that names this target."""
        return f"--flowcraft-{self.kind}={self.text}"


@dataclass(frozen=True, slots=True)
class LoadedTarget:
    """A target that could be imported: the object itself and what it declares."""

    spec: TargetSpec
    factory: Any
    capabilities: Capabilities
    takes_clock: bool

    @classmethod
    def of(cls, spec: TargetSpec, factory: Any, capabilities: Capabilities) -> LoadedTarget:
        """A target whose callable is at hand."""
        return cls(spec, factory, capabilities, _takes_clock(factory))


def load_target(spec: TargetSpec) -> LoadedTarget:
    """Import a target; the current directory is importable.

    Raises:
        TargetError: the text is no ``module:name``, the module or the name does not exist, the import fails, the
            object cannot be called, or its capabilities are not allowed.
    """
    module_name, _, attribute = spec.text.partition(":")
    if not module_name or not attribute or not all(part.isidentifier() for part in module_name.split(".")):
        raise TargetError(
            f"{spec.option}: {spec.text!r} does not name a target",
            f"Write module:name, for example --flowcraft-{spec.kind}=mypackage.adapter:MyAdapter",
        )
    _make_current_directory_importable()
    factory = _attribute(_import(module_name, spec), attribute, spec)
    if not callable(factory):
        raise TargetError(
            f"{spec.option}: {attribute} is {type(factory).__name__}, which cannot be called",
            _CALLABLE_HINTS[spec.kind],
        )
    return LoadedTarget.of(spec, factory, _capabilities(factory, spec))


def _capabilities(factory: Any, spec: TargetSpec) -> Capabilities:
    try:
        return Capabilities.of(getattr(factory, "capabilities", None))
    except BaseException as error:
        said = str(error) if isinstance(error, CapabilityError) else describe_error(error)
        raise TargetError(
            f"{spec.option}: its capabilities cannot be used: {said}",
            "See the capabilities in the contract; a declared limit must be one that the contract allows.",
        ) from error


async def open_client(stack: AsyncExitStack, factory: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Call a target's factory: what it gives, awaited or entered where it is an awaitable or a context manager."""
    made = factory(*arguments, **keywords)
    if inspect.isawaitable(made):
        made = await made
    if hasattr(type(made), "__aenter__"):
        made = await stack.enter_async_context(made)
    return made


def way_to_open(factory: Callable[..., Any]) -> str:
    """What the factory gives, as far as can be told without calling it: value, awaitable or context manager."""
    if inspect.iscoroutinefunction(factory):
        return "awaitable"
    inner = getattr(factory, "__wrapped__", None)
    opens = hasattr(factory, "__aenter__") if isinstance(factory, type) else inspect.isasyncgenfunction(inner)
    return "context manager" if opens else "value"


_CALLABLE_HINTS = {
    Target.STORE: "Name a class or function without arguments that gives an ICoordinationStore.",
    Target.CONTEXT: "Name a class or function that takes a run id and gives an IAsyncContext.",
    Target.ADAPTER: "Name an AdapterHarness subclass, or a BaseDistributedAdapter subclass.",
}


def _make_current_directory_importable() -> None:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _import(name: str, spec: TargetSpec) -> ModuleType:
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise TargetError(
                f"{spec.option}: there is no module {error.name!r}",
                f"Run pytest where {error.name!r} can be imported, or install it; looked in {Path.cwd()} and sys.path.",
            ) from error
        raise TargetError(
            f"{spec.option}: importing {name!r} failed: it needs {error.name!r}, which is not installed",
            f"Install {error.name!r} in this environment ({sys.executable}).",
        ) from error
    except BaseException as error:
        raise TargetError(
            f"{spec.option}: importing {name!r} failed: {describe_error(error)}{_where(error)}",
            f'Try it alone: python -c "import {name}"',
        ) from error


def _where(error: BaseException) -> str:
    """The line that raised; a syntax error names its own."""
    if isinstance(error, SyntaxError):
        return f" in {error.filename}" if error.filename else ""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen ")]
    return f" ({lines[-1].filename}, line {lines[-1].lineno})" if lines else ""


def _attribute(module: ModuleType, path: str, spec: TargetSpec) -> Any:
    value: Any = module
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            near = difflib.get_close_matches(name, [known for known in dir(value) if known[0] != "_"], n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"It comes from {module.__file__}."
            raise TargetError(f"{spec.option}: {module.__name__} has no {name!r}", hint) from None
    return value


def _takes_clock(factory: Any) -> bool:
    """Whether the callable has an optional keyword ``clock``: it is then given a virtual one."""
    try:
        parameter = inspect.signature(factory).parameters.get("clock")
    except Exception:  # a signature that cannot be read takes no clock
        return False
    return (
        parameter is not None
        and parameter.default is not inspect.Parameter.empty
        and parameter.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    )
