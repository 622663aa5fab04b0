"""Says which extra is missing, before anything else is imported."""

from __future__ import annotations

from importlib import import_module

for _name in ("aiohttp", "azure.cosmos", "azure.storage.queue", "redis", "bullmq"):
    try:
        import_module(_name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"the adapter on Cosmos DB needs {error.name!r}: pip install 'flowcraft-conformance[cosmos]'"
        ) from error
