"""One pool for all users of a database on one event loop."""

from __future__ import annotations

from reference_adapters._shared import Shared
from reference_adapters.postgres_rabbitmq.database import Database

shared_pool = Shared(Database, Database.close)
