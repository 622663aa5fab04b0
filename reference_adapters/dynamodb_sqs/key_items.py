"""The state of a run in one item a key: TransactWriteItems, for states beyond 400 KB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from flowcraft_conformance import PatchOperation
from reference_adapters._json import decode
from reference_adapters.dynamodb_sqs.calls import AwsClient, code_of, reasons_of
from reference_adapters.dynamodb_sqs.texts import OWN, Room, own, plain

MAX_PATCH_OPERATIONS = 99
"""A transaction has at most 100 operations, and one may be the look at a guard."""

MAX_VALUE_BYTES = 390 * 1024
"""An item has 400 KB in all: the run's id, the key, and the value."""

MAX_PATCH_BYTES = 4_000_000
"""A transaction has at most 4 MB, names and keys included."""

_ROOM = Room(MAX_PATCH_OPERATIONS, MAX_VALUE_BYTES, MAX_PATCH_BYTES)
_ABSENT = "attribute_not_exists(#run)"
_PRESENT = "attribute_exists(#run)"
_NAMES = {"ExpressionAttributeNames": {"#run": "run"}}


class KeyItemsContext:
    """An ``IGuardedContext`` of any size: one item a key, all those of a patch written in one transaction.

    ``to_dict`` reads page by page, and DynamoDB serialises no query with transactions: it is no snapshot, and may show
    a part of a patch that is being written meanwhile. ``get``, ``has`` and what is written are strongly consistent.
    A version that every write of a run raises would make it a snapshot, and every two writes of a run a conflict.
    Values are JSON text, for the reasons that :class:`RunItemContext` gives.

    Every operation raises botocore.exceptions.ClientError, BotoCoreError or TimeoutError when DynamoDB fails, within
    CALL_SECONDS a request. Values that are no JSON or too large, patches of more than MAX_PATCH_OPERATIONS, and text
    with lone surrogates raise TypeError or ValueError before anything is sent.
    """

    def __init__(self, dynamodb: AwsClient, table: str, run_id: str) -> None:
        self._dynamodb = dynamodb
        self._table = {"TableName": table}
        self._run = {"S": plain(run_id)}

    async def get(self, key: str) -> Any:
        """GetItem, strongly consistent."""
        reply = await self._dynamodb("get_item", **self._table, Key=self._key(key), ConsistentRead=True)
        return decode(reply["Item"]["value"]["S"]) if reply.get("Item") else None

    async def set(self, key: str, value: Any) -> None:
        """PutItem."""
        text = _ROOM.text(key, value)
        await self._dynamodb("put_item", **self._table, Item=self._item(key, text))

    async def has(self, key: str) -> bool:
        """GetItem of the key alone."""
        only = {"ConsistentRead": True, "ProjectionExpression": "#run", **_NAMES}
        return bool((await self._dynamodb("get_item", **self._table, Key=self._key(key), **only)).get("Item"))

    async def delete(self, key: str) -> bool:
        """DeleteItem, on the condition that it is there."""
        try:
            condition = {"ConditionExpression": _PRESENT, **_NAMES}
            await self._dynamodb("delete_item", **self._table, Key=self._key(key), **condition)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    async def to_dict(self) -> dict[str, Any]:
        """Query, strongly consistent; every page holds up to 1 MB."""
        return {item["key"]["S"][len(OWN) :]: decode(item["value"]["S"]) async for item in self._items()}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """TransactWriteItems; one operation alone needs none, and a patch without operations sends nothing."""
        changes = _ROOM.texts(operations)
        if len(changes) > 1:
            await self._transact([self._change(key, text) for key, text in changes.items()])
            return
        for key, text in changes.items():
            ((operation, request),) = self._change(key, text).items()
            await self._dynamodb(f"{operation.lower()}_item", **request)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """The same, cancelled where the item of ``guard`` is there."""
        changes = _ROOM.texts(operations)
        if not changes:
            return not await self.has(guard)
        condition = {"ConditionExpression": _ABSENT, **_NAMES}
        if guard in changes:
            ((operation, request),) = self._change(guard, changes.pop(guard)).items()
            first = {operation: request | condition}
        else:
            first = {"ConditionCheck": {**self._table, "Key": self._key(guard), **condition}}
        try:
            await self._transact([first, *[self._change(key, text) for key, text in changes.items()]])
        except ClientError as error:
            if "ConditionalCheckFailed" not in reasons_of(error):
                raise
            return False
        return True

    async def _transact(self, changes: list[dict[str, Any]]) -> None:
        await self._dynamodb("transact_write_items", TransactItems=changes)

    async def _items(self) -> AsyncIterator[dict[str, Any]]:
        query = {
            **self._table,
            "KeyConditionExpression": "#run = :run",
            "ExpressionAttributeValues": {":run": self._run},
            "ConsistentRead": True,
            **_NAMES,
        }
        page = await self._dynamodb("query", **query)
        while True:
            for item in page["Items"]:
                yield item
            if not page.get("LastEvaluatedKey"):
                return
            page = await self._dynamodb("query", **query, ExclusiveStartKey=page["LastEvaluatedKey"])

    def _change(self, key: str, text: str | None) -> dict[str, Any]:
        if text is None:
            return {"Delete": {**self._table, "Key": self._key(key)}}
        return {"Put": {**self._table, "Item": self._item(key, text)}}

    def _key(self, key: str) -> dict[str, Any]:
        return {"run": self._run, "key": {"S": own(key)}}

    def _item(self, key: str, text: str) -> dict[str, Any]:
        return {**self._key(key), "value": {"S": text}}
