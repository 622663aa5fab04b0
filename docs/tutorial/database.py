"""One SQLite file that several processes share."""

import os
import sqlite3
from contextlib import contextmanager

PATH = os.environ.get("TUTORIAL_DATABASE", "tutorial.db")
SCHEMA = """
PRAGMA synchronous = OFF;  -- nothing here is to survive a power cut
CREATE TABLE IF NOT EXISTS coordination (key TEXT PRIMARY KEY, value TEXT, expires REAL);
CREATE TABLE IF NOT EXISTS state (run_id TEXT, key TEXT, value TEXT, PRIMARY KEY (run_id, key));
CREATE TABLE IF NOT EXISTS results (run_id TEXT PRIMARY KEY, result TEXT);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB, visible_at REAL, attempts INTEGER, receipt INTEGER
);
"""


def connect(path=PATH):
    """A connection that commits each statement, save in a transaction()."""
    database = sqlite3.connect(path, timeout=10, isolation_level=None)
    database.executescript(SCHEMA)
    return database


@contextmanager
def transaction(database):
    """All or nothing, and no other process writes in between."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
