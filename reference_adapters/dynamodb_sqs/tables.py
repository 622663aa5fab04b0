"""The tables of the adapter: their names, and how they are made and removed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from reference_adapters.dynamodb_sqs.calls import AwsClient, bounded, code_of

_MAKING_SECONDS = 120.0
_PAUSE = 0.05
_EXPIRES = "expires"


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of the tables, all behind one prefix: letters, digits, ``_``, ``-`` and ``.``"""

    prefix: str = "flowcraft-"

    @property
    def runs(self) -> str:
        """One item a run."""
        return f"{self.prefix}runs"

    @property
    def run_keys(self) -> str:
        """One item a key of a run."""
        return f"{self.prefix}run-keys"

    @property
    def coordination(self) -> str:
        """Coordination keys."""
        return f"{self.prefix}coordination"

    @property
    def results(self) -> str:
        """Final results."""
        return f"{self.prefix}results"

    def names(self) -> dict[str, tuple[str, ...]]:
        """Each table with its hash key and its range key."""
        return {
            self.runs: ("run",),
            self.run_keys: ("run", "key"),
            self.coordination: ("key",),
            self.results: ("run", "part"),
        }


async def create_tables(dynamodb: AwsClient, tables: Tables) -> None:
    """Make the tables that are not there yet, and return when they can be used.

    Raises:
        botocore.exceptions.ClientError: DynamoDB refused.
        TimeoutError: they were not ready in time.
    """
    keys = tables.names()
    await asyncio.gather(*[_create(dynamodb, name, attributes) for name, attributes in keys.items()])
    await _delete_expired_items(dynamodb, tables.coordination)


async def delete_tables(dynamodb: AwsClient, tables: Tables) -> None:
    """Remove the tables and all that is in them; those that are not there are no error."""
    for name in tables.names():
        try:
            await dynamodb("delete_table", TableName=name)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise


async def _create(dynamodb: AwsClient, name: str, attributes: tuple[str, ...]) -> None:
    kinds = zip(attributes, ("HASH", "RANGE"), strict=False)
    request: dict[str, Any] = {
        "TableName": name,
        "KeySchema": [{"AttributeName": attribute, "KeyType": kind} for attribute, kind in kinds],
        "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes],
        "BillingMode": "PAY_PER_REQUEST",
    }
    try:
        await dynamodb("create_table", **request)
    except ClientError as error:
        if code_of(error) != "ResourceInUseException":  # it is there
            raise
    async with bounded("dynamodb", _MAKING_SECONDS):
        while True:
            if (await dynamodb("describe_table", TableName=name))["Table"]["TableStatus"] == "ACTIVE":
                return
            await asyncio.sleep(_PAUSE)


async def _delete_expired_items(dynamodb: AwsClient, name: str) -> None:
    """Have DynamoDB clear away what expired long ago; what counts as expired is judged by the store."""
    told = await dynamodb("describe_time_to_live", TableName=name)
    if told.get("TimeToLiveDescription", {}).get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        return
    specification = {"Enabled": True, "AttributeName": _EXPIRES}
    try:
        await dynamodb("update_time_to_live", TableName=name, TimeToLiveSpecification=specification)
    except ClientError as error:
        if code_of(error) != "ValidationException":  # another process was faster
            raise
