"""The tables, and how they come about: numbered steps, each applied once."""

from __future__ import annotations

from psycopg import AsyncConnection, sql

from reference_adapters.postgres_rabbitmq.database import Database, Row

DEFAULT_SCHEMA = "flowcraft"

# Append only: a step that was released is never changed. Text compares by its bytes, whatever the database's locale.
_STEPS = (
    """
    CREATE TABLE {schema}.coordination (
        key text COLLATE "C" PRIMARY KEY, value text NOT NULL, expires_at timestamptz NOT NULL
    );
    CREATE INDEX coordination_expiry ON {schema}.coordination (expires_at);
    CREATE TABLE {schema}.state (
        run_id text COLLATE "C", key text COLLATE "C", value json, PRIMARY KEY (run_id, key)
    );
    CREATE TABLE {schema}.document (run_id text COLLATE "C" PRIMARY KEY, state jsonb NOT NULL);
    CREATE TABLE {schema}.result (run_id text COLLATE "C" PRIMARY KEY, result json NOT NULL);
    """,
)
_LOCK = 0x666C6F77  # of the database: one process migrates at a time


async def migrate(database: Database, schema: str = DEFAULT_SCHEMA) -> None:
    """Bring the schema to the newest version; does nothing where it is. Safe from several processes at once.

    Raises:
        psycopg.Error, TimeoutError: as :meth:`Database.run`.
        RuntimeError: the schema is newer than this code.
    """
    name = sql.Identifier(schema)
    versions = sql.SQL("{}.schema_version").format(name)
    async with database.connection() as connection:
        (known,) = await (
            await connection.execute("SELECT to_regclass(%s) IS NOT NULL", [versions.as_string()])
        ).fetchall()
        if known[0] and await _version(connection, versions) == len(_STEPS):
            return
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            await connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
            await connection.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} (version int NOT NULL)").format(versions))
            version = await _version(connection, versions)
            if version > len(_STEPS):
                raise RuntimeError(f"schema {schema!r} has version {version}, this code knows {len(_STEPS)}: update it")
            for step in _STEPS[version:]:
                await connection.execute(sql.SQL(step).format(schema=name))
            await connection.execute(sql.SQL("DELETE FROM {}").format(versions))
            await connection.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(versions), [len(_STEPS)])


async def drop(database: Database, schema: str) -> None:
    """Remove the schema with everything in it."""
    await database.run(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


async def _version(connection: AsyncConnection[Row], versions: sql.Composed) -> int:
    rows = await (await connection.execute(sql.SQL("SELECT max(version) FROM {}").format(versions))).fetchall()
    return int(rows[0][0] or 0)
