"""A store with a million keys, written by SQL into a directory that the binary made.

Each is a copy of one key that the gateway made and charged, with an account, a secret and windows of
its own, so that a page costs what it costs in use. One in a hundred more is disabled, one in a hundred
deleted: pages have to skip them. What the planner knows of the tables stays as the gateway left it.
"""

import hashlib
import pathlib
import sqlite3

KEYS = 1_000_000
# Of 102 rows 100 are listed.
ROWS = KEYS // 100 * 102


def fill(directory, original):
    """Copies the key with the hash `original`. The gateway must not run."""
    database = sqlite3.connect(pathlib.Path(directory) / "keyway.db")
    database.create_function("digest", 1, lambda text: hashlib.sha256(text.encode()).digest())
    key, account = database.execute(
        "SELECT id, account_id FROM api_key WHERE hash = ?", [bytes.fromhex(original)]
    ).fetchone()
    with database:
        _number(database)
        _copy(database, "account", f"id = {account}", {"id": "n"})
        _copy(database, "account_window", f"account_id = {account}", {"account_id": "n"})
        _copy(
            database,
            "api_key",
            f"id = {key}",
            {
                "id": "n",
                "account_id": "n",
                "hash": "digest('key ' || n)",
                "name": "'Key number ' || n",
                "disabled": "n % 102 = 0",
                "deleted_at": "CASE WHEN n % 102 = 1 THEN template.created_at END",
            },
        )
        _copy(
            database,
            "key_secret",
            f"key_id = {key}",
            {"key_id": "n", "hash": "digest('key ' || n)", "tag": "digest('tag ' || n)"},
        )
    database.close()


def _number(database):
    """The ids of the copies: free ones, in the order of creation."""
    database.execute("CREATE TEMP TABLE number (n INTEGER PRIMARY KEY)")
    database.execute(
        """WITH RECURSIVE upwards (n) AS (
             SELECT max((SELECT max(id) FROM account), (SELECT max(id) FROM api_key)) + 1
             UNION ALL SELECT n + 1 FROM upwards LIMIT ?)
           INSERT INTO number SELECT n FROM upwards""",
        [ROWS],
    )


def _copy(database, table, which, changes):
    """For each number a copy of the rows of `table` that `which` says, with `changes`."""
    columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changes.get(column, f"template.{column}") for column in columns)
    database.execute(f"CREATE TEMP TABLE template AS SELECT * FROM {table} WHERE {which}")
    # In the order of the primary key, where that is a hash, the table is written front to back.
    order = columns.index("hash") + 1 if columns[0] == "hash" else "n"
    database.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"SELECT {values} FROM number CROSS JOIN template ORDER BY {order}"
    )
    database.execute("DROP TABLE template")
