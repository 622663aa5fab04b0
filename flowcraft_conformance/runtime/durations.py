"""How long a ``sleep`` takes, as upstream's JSON has it."""

from __future__ import annotations

import math
import re
from typing import Any

_TEXT = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_UNITS = {"s": 1_000.0, "m": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}


def milliseconds(duration: Any) -> float:
    """A number of milliseconds, or a text such as ``"10s"``, ``"5m"``, ``"1h"`` or ``"2d"``.

    Raises:
        ValueError: it is neither, or below 0.
    """
    if isinstance(duration, str) and (found := _TEXT.fullmatch(duration)) is not None:
        return int(found[1]) * _UNITS[found[2]]
    if isinstance(duration, int | float) and not isinstance(duration, bool) and 0 <= duration < math.inf:
        return float(duration)
    raise ValueError(
        f"a sleep's params.duration is a number of milliseconds from 0, or a text such as '10s', '5m', '1h' or '2d'; "
        f"this is {duration!r}"
    )
