"""Final results on DynamoDB: text in as many items as it takes, and the one that makes it visible last."""

from __future__ import annotations

import json
import uuid

from flowcraft_conformance import FinalResult
from reference_adapters.dynamodb_sqs.calls import AwsClient
from reference_adapters.dynamodb_sqs.texts import plain

_PART_CHARACTERS = 350_000
"""The text is ASCII, and an item has 400 KB."""
_STATUS = "status"


async def write_result(dynamodb: AwsClient, table: str, run_id: str, result: FinalResult) -> None:
    """Write the result; a client sees all of it or nothing.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError, TimeoutError: DynamoDB failed.
    """
    text = json.dumps(result.to_wire())
    parts = [text[start : start + _PART_CHARACTERS] for start in range(0, len(text), _PART_CHARACTERS)]
    name = uuid.uuid4().hex
    for number, part in enumerate(parts[1:], 1):
        await dynamodb("put_item", TableName=table, Item=_key(run_id, f"{name}.{number}") | {"text": {"S": part}})
    first = {"text": {"S": parts[0]}, "more": {"S": name}, "parts": {"N": str(len(parts))}}
    await dynamodb("put_item", TableName=table, Item=_key(run_id, _STATUS) | first)


async def read_result(dynamodb: AwsClient, table: str, run_id: str) -> FinalResult | None:
    """The result of a run, or None; raises as :func:`write_result` does."""
    request = {"TableName": table, "ConsistentRead": True}
    item = (await dynamodb("get_item", Key=_key(run_id, _STATUS), **request)).get("Item")
    if not item:
        return None
    texts = [item["text"]["S"]]
    for number in range(1, int(item["parts"]["N"])):
        part = await dynamodb("get_item", Key=_key(run_id, f"{item['more']['S']}.{number}"), **request)
        texts.append(part["Item"]["text"]["S"])
    return FinalResult.from_wire(json.loads("".join(texts)))


def _key(run_id: str, part: str) -> dict[str, dict[str, str]]:
    return {"run": {"S": plain(run_id)}, "part": {"S": part}}
