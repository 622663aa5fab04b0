"""The coordination store on DynamoDB: one item a key, and conditions for which an expired item is absent."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from flowcraft_conformance import Clock, SystemClock
from reference_adapters._ttl import require_ttl
from reference_adapters.dynamodb_sqs.calls import AwsClient, bounded, code_of
from reference_adapters.dynamodb_sqs.texts import plain

_CLEARED_AFTER_SECONDS = 3600
"""DynamoDB deletes by its own clock: a key that a worker whose clock is behind still sees must not be gone by then."""

_NAMES = {"#key": "key", "#value": "value", "#count": "count", "#deadline": "deadline", "#expires": "expires"}
_ABSENT = "attribute_not_exists(#key) OR #deadline <= :now"
_PRESENT = "attribute_exists(#key) AND #deadline > :now"
_ARM = "#deadline = :deadline, #expires = :expires"


class DynamoDbCoordinationStore:
    """An ``ICoordinationStore`` on one table. Deadlines are judged by the caller's clock, to the millisecond.

    The clocks of the workers must agree as closely as TTLs are to be kept: DynamoDB has no clock that a condition
    could ask, and its own deletion of expired items may take two days. ``prefix`` stands before every key.

    Every operation raises botocore.exceptions.ClientError, BotoCoreError or TimeoutError when DynamoDB fails, within
    CALL_SECONDS. Which operation was carried out is then unknown; nothing is repeated.
    """

    def __init__(self, dynamodb: AwsClient, table: str, *, prefix: str = "", clock: Clock | None = None) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._prefix = prefix
        self._clock = clock or SystemClock()

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """Count a present counter up, else begin one; raises ValueError where the key holds a value that was set.

        Two steps, each of them atomic; a step that finds that another caller was faster leads back to the first.
        """
        ttl, item_key = require_ttl(ttl_seconds), self._key(key)
        async with bounded("dynamodb"):
            while True:
                now = self._now()
                count, found = await self._count_on(item_key, now, ttl)
                if count is None and found is not None and _deadline(found) > now:
                    raise ValueError(f"key {key!r} holds a value that was set, which is no counter")
                if count is None:
                    count = await self._begin_to_count(item_key, now, ttl)
                if count is not None:
                    return count

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        """PutItem on the condition that the item is absent or expired."""
        ttl, now = require_ttl(ttl_seconds), self._now()
        times = _times(now, ttl)
        item = {
            **self._key(key),
            "value": {"S": plain(value)},
            "deadline": times[":deadline"],
            "expires": times[":expires"],
        }
        put = {"Item": item, "ConditionExpression": _ABSENT, **_placeholders(_ABSENT, _instant(now))}
        return await self._where_it_holds("put_item", **put) is not None

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        """UpdateItem of the times alone, on the condition that the key is present."""
        ttl, now = require_ttl(ttl_seconds), self._now()
        update = f"SET {_ARM}"
        request = {
            "Key": self._key(key),
            "UpdateExpression": update,
            "ConditionExpression": _PRESENT,
            **_placeholders(update + _PRESENT, _instant(now) | _times(now, ttl)),
        }
        return await self._where_it_holds("update_item", **request) is not None

    async def delete(self, key: str) -> None:
        """DeleteItem."""
        await self._dynamodb("delete_item", TableName=self._table, Key=self._key(key))

    async def get(self, key: str) -> str | None:
        """GetItem, strongly consistent."""
        reply = await self._dynamodb("get_item", TableName=self._table, Key=self._key(key), ConsistentRead=True)
        item = reply.get("Item")
        if not item or _deadline(item) <= self._now():
            return None
        return str(item["value"]["S"]) if "value" in item else str(int(item["count"]["N"]))

    async def _count_on(self, key: Any, now: int, ttl: int) -> tuple[int | None, dict[str, Any] | None]:
        """The next count of a present counter; else None, and the item that is there instead."""
        update, condition = f"SET #count = #count + :one, {_ARM}", f"attribute_exists(#count) AND {_PRESENT}"
        try:
            reply = await self._update(key, update, condition, now, ttl)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return None, error.response.get("Item") or None
        return int(reply["Attributes"]["count"]["N"]), None

    async def _begin_to_count(self, key: Any, now: int, ttl: int) -> int | None:
        """1 where the key was absent; None where it no longer is."""
        try:
            await self._update(key, f"SET #count = :one, {_ARM} REMOVE #value", _ABSENT, now, ttl)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return None
        return 1

    async def _update(self, key: Any, update: str, condition: str, now: int, ttl: int) -> dict[str, Any]:
        values = _instant(now) | _times(now, ttl) | {":one": {"N": "1"}}
        return await self._dynamodb(
            "update_item",
            TableName=self._table,
            Key=key,
            UpdateExpression=update,
            ConditionExpression=condition,
            ReturnValues="UPDATED_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **_placeholders(update + condition, values),
        )

    async def _where_it_holds(self, operation: str, **request: Any) -> dict[str, Any] | None:
        """The reply, or None where the condition does not hold."""
        try:
            return await self._dynamodb(operation, TableName=self._table, **request)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return None

    def _key(self, key: str) -> dict[str, Any]:
        return {"key": {"S": self._prefix + plain(key)}}

    def _now(self) -> int:
        return int(self._clock.time() * 1000)


def _instant(now: int) -> dict[str, Any]:
    return {":now": {"N": str(now)}}


def _times(now: int, ttl: int) -> dict[str, Any]:
    """The deadline in milliseconds; and in seconds, for DynamoDB's own deletion, when the item may be cleared away."""
    return {
        ":deadline": {"N": str(now + 1000 * ttl)},
        ":expires": {"N": str(now // 1000 + ttl + _CLEARED_AFTER_SECONDS)},
    }


def _deadline(item: dict[str, Any]) -> int:
    return int(item["deadline"]["N"])


def _placeholders(expressions: str, values: dict[str, Any]) -> dict[str, Any]:
    """The names that the expressions use, and the values: DynamoDB refuses one that is not used."""
    names = {short: name for short, name in _NAMES.items() if short in expressions}
    return {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
