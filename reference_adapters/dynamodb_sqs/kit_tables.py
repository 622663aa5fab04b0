"""The tables behind the targets ``store`` and ``context``: made at the first use, removed when the run ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import uuid

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from flowcraft_conformance import dynamodb_service
from reference_adapters.dynamodb_sqs.calls import AwsClient, AwsSettings
from reference_adapters.dynamodb_sqs.tables import Tables, create_tables

_VARIABLE = "FLOWCRAFT_DYNAMODB_TABLES"
"""Names the prefix to the worker processes of the same run."""

_REMOVAL_SECONDS = 5

_made: set[str] = set()


async def own_tables(dynamodb: AwsClient) -> Tables:
    """The tables of this run, which are there when this returns; raises as :func:`create_tables` does."""
    tables = Tables(os.environ.get(_VARIABLE) or _new_prefix())
    if tables.prefix not in _made:
        await create_tables(dynamodb, tables)
        _made.add(tables.prefix)
    return tables


def _new_prefix() -> str:
    prefix = os.environ[_VARIABLE] = f"flowcraft-kit-{uuid.uuid4().hex[:12]}-"
    atexit.register(_remove, Tables(prefix), AwsSettings.at(dynamodb_service().url))
    return prefix


def _remove(tables: Tables, settings: AwsSettings) -> None:
    """Without an event loop: at exit there is no thread left that could look up a name for one."""
    client = get_session().create_client(
        "dynamodb",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=Config(
            retries={"total_max_attempts": 1}, connect_timeout=_REMOVAL_SECONDS, read_timeout=_REMOVAL_SECONDS
        ),
    )
    with contextlib.suppress(BotoCoreError):  # a server that is gone took them with it
        for name in tables.names():
            with contextlib.suppress(ClientError):
                client.delete_table(TableName=name)
    client.close()
