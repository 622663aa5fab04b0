"""The state of a run in one item: UpdateExpression with SET and REMOVE, as the documentation page has it."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from flowcraft_conformance import PatchOperation
from reference_adapters._json import decode
from reference_adapters.dynamodb_sqs.calls import AwsClient, code_of
from reference_adapters.dynamodb_sqs.texts import OWN, Room, own, plain

MAX_PATCH_OPERATIONS = 250
"""DynamoDB allows an expression 4 KB and 300 operators."""

MAX_VALUE_BYTES = 300 * 1024
"""An item has 400 KB in all: names, values and the run's id."""

_ROOM = Room(MAX_PATCH_OPERATIONS, MAX_VALUE_BYTES, 400 * 1024)
_DIGITS = string.digits + string.ascii_letters
_NO_GUARD = "attribute_not_exists(#guard)"


class RunItemContext:
    """An ``IGuardedContext``: one attribute a key, so that every call is one atomic request and every read a snapshot.

    The state has at most 400 KB, and DynamoDB charges each write by the size of the whole item. Values are JSON text:
    DynamoDB's numbers have 38 digits and one kind, and would lose 1e-200, the sign of -0.0, and which of 1 and 1.0 it
    was. A run whose keys were all deleted leaves an empty item.

    Every operation raises botocore.exceptions.ClientError, BotoCoreError or TimeoutError when DynamoDB fails, within
    CALL_SECONDS. Values that are no JSON or too large, and text with lone surrogates, raise TypeError or ValueError.
    """

    def __init__(self, dynamodb: AwsClient, table: str, run_id: str) -> None:
        self._dynamodb = dynamodb
        self._item = {"TableName": table, "Key": {"run": {"S": plain(run_id)}}}
        self._query = {
            "TableName": table,
            "KeyConditionExpression": "#run = :run",
            "ExpressionAttributeValues": {":run": {"S": plain(run_id)}},
            "ConsistentRead": True,
        }

    async def get(self, key: str) -> Any:
        """GetItem of one attribute, strongly consistent."""
        name = {"#0": own(key)}
        read = {"ConsistentRead": True, "ProjectionExpression": "#0", "ExpressionAttributeNames": name}
        item = (await self._dynamodb("get_item", **self._item, **read)).get("Item") or {}
        return decode(item[name["#0"]]["S"]) if item else None

    async def set(self, key: str, value: Any) -> None:
        """UpdateItem with SET."""
        await self._write({key: _ROOM.text(key, value)})

    async def has(self, key: str) -> bool:
        """A count of the run's items that have the attribute: the value itself does not travel."""
        count = {
            "Select": "COUNT",
            "FilterExpression": "attribute_exists(#0)",
            "ExpressionAttributeNames": {"#run": "run", "#0": own(key)},
        }
        return bool((await self._dynamodb("query", **self._query, **count))["Count"])

    async def delete(self, key: str) -> bool:
        """UpdateItem with REMOVE, on the condition that the attribute is there."""
        return await self._update("REMOVE #0", {"#0": own(key)}, {}, "attribute_exists(#0)")

    async def to_dict(self) -> dict[str, Any]:
        """GetItem, strongly consistent."""
        item = (await self._dynamodb("get_item", **self._item, ConsistentRead=True)).get("Item") or {}
        return {name[len(OWN) :]: decode(item[name]["S"]) for name in item if name.startswith(OWN)}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """UpdateItem with SET and REMOVE; a patch without operations sends nothing."""
        await self._write(_ROOM.texts(operations))

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same on the condition that the attribute ``guard`` is absent."""
        changes = _ROOM.texts(operations)
        if not changes:
            return not await self.has(guard)
        return await self._write(changes, guard)

    async def _write(self, changes: dict[str, str | None], guard: str | None = None) -> bool:
        if not changes:
            return True
        names, values, sets, removes = {}, {}, [], []
        for (key, text), digits in zip(changes.items(), _numerals(), strict=False):
            names[f"#{digits}"] = own(key)
            if text is None:
                removes.append(f"#{digits}")
            else:
                values[f":{digits}"] = {"S": text}
                sets.append(f"#{digits}=:{digits}")
        update = (f"SET {','.join(sets)}" if sets else "") + (f" REMOVE {','.join(removes)}" if removes else "")
        if guard is not None:
            return await self._update(update, names | {"#guard": own(guard)}, values, _NO_GUARD)
        if sets:
            return await self._update(update, names, values)
        await self._update(update, names | {"#run": "run"}, values, "attribute_exists(#run)")  # else an item is made
        return True

    async def _update(
        self, update: str, names: dict[str, str], values: dict[str, Any], condition: str | None = None
    ) -> bool:
        """Whether the condition holds, and the update is made."""
        request: dict[str, Any] = {"UpdateExpression": update.strip(), "ExpressionAttributeNames": names}
        if values:
            request["ExpressionAttributeValues"] = values
        if condition is not None:
            request["ConditionExpression"] = condition
        try:
            await self._dynamodb("update_item", **self._item, **request)
        except ClientError as error:
            if code_of(error) == "ConditionalCheckFailedException":
                return False
            if code_of(error) == "ValidationException" and "size" in str(error):
                raise ValueError(
                    f"the state of the run does not fit into one item of 400 KB ({error}); keep one item a key instead"
                ) from error
            raise
        return True


def _numerals() -> Iterable[str]:
    """Names for placeholders, the shortest first."""
    yield from _DIGITS
    for first in _DIGITS:
        yield from (first + second for second in _DIGITS)
