"""The state of a run on SQLite: a row a key, so that a patch writes what is patched and nothing else."""

import json
from contextlib import asynccontextmanager, closing

from database import connect, transaction

from flowcraft_conformance import DeleteOp, SetOp


class Context:
    def __init__(self, database, run_id):
        self._database = database
        self._run_id = run_id

    async def get(self, key):
        text = self._text(key)
        return None if text is None else json.loads(text)

    async def has(self, key):
        return self._text(key) is not None

    async def to_dict(self):
        rows = self._database.execute("SELECT key, value FROM state WHERE run_id = ?", (self._run_id,))
        return {key: json.loads(text) for key, text in rows}

    async def set(self, key, value):
        await self.patch([SetOp(key, value)])

    async def delete(self, key):
        removed = self._database.execute("DELETE FROM state WHERE run_id = ? AND key = ?", (self._run_id, key))
        return removed.rowcount == 1

    async def patch(self, operations):
        changes = encoded(operations)
        with transaction(self._database):
            self._write(changes)

    async def patch_if_absent(self, guard, operations):
        changes = encoded(operations)
        with transaction(self._database):
            if self._text(guard) is not None:
                return False
            self._write(changes)
        return True

    def _text(self, key):
        statement = "SELECT value FROM state WHERE run_id = ? AND key = ?"
        row = self._database.execute(statement, (self._run_id, key)).fetchone()
        return row[0] if row else None

    def _write(self, changes):
        for key, text in changes.items():
            if text is None:
                self._database.execute("DELETE FROM state WHERE run_id = ? AND key = ?", (self._run_id, key))
            else:
                self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (self._run_id, key, text))


def encoded(operations):
    """What each key is in the end. All is encoded before anything is written."""
    changes = {}
    for operation in operations:
        if isinstance(operation, DeleteOp):
            changes[operation.key] = None
        else:
            changes[operation.key] = json_text(operation.value)
    return changes


def json_text(value):
    text = json.dumps(value, allow_nan=False)
    if json.loads(text) != value:
        raise TypeError(f"the value would come back altered: {value!r}")
    return text


@asynccontextmanager
async def context(run_id):
    with closing(connect()) as database:
        yield Context(database, run_id)
