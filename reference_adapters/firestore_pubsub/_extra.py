"""Says which extra to install where a client library is missing: the module's own name, ``google``, would mislead."""

try:
    import bullmq as bullmq
    import google.cloud.firestore_v1
    import google.pubsub_v1  # noqa: F401 - to see whether they are there
    import redis as redis
except ModuleNotFoundError as missing:
    raise ImportError(
        f"reference_adapters.firestore_pubsub needs {missing.name!r}, which is not installed: "
        "pip install 'flowcraft-conformance[firestore]'"
    ) from missing
