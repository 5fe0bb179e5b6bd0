"""The embedded store, filled by SQL while the gateway does not run."""

import hashlib
import pathlib
import re
import sqlite3

import growth
import probes
from gateway import Gateway

SOURCES = pathlib.Path(__file__).parents[2] / "crates/keyway-store-sqlite/src"
STATEMENT = re.compile(r'"((?:SELECT|INSERT|UPDATE|DELETE)\b[^"{}]*)"')


class Store:
    NAME = "SQLite"

    def __init__(self, binary, scratch):
        self._binary, self._directory = binary, scratch / "keyway-data"
        self._secret = scratch / "secret.key"
        self._secret.write_text(probes.INSTALLATION_SECRET.hex())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def gateway(self):
        return Gateway(self._binary, self._directory, {"KEYWAY_SECRET_FILE": str(self._secret)})

    def fill(self, original, keys, generations, secrets):
        """Answers the hash of the key in the middle."""
        database = self._open()
        database.create_function("digest", 1, lambda text: hashlib.sha256(text.encode()).digest())
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -1000000")
        key, account = database.execute(
            "SELECT id, account_id FROM api_key WHERE hash = ?", [bytes.fromhex(original)]
        ).fetchone()
        first = max(database.execute("SELECT max(id), max(account_id) FROM api_key").fetchone()) + 1
        with database:
            database.execute("CREATE TEMP TABLE number (n INTEGER PRIMARY KEY)")
            database.execute(
                """WITH RECURSIVE upwards (n) AS (
                     SELECT ? UNION ALL SELECT n + 1 FROM upwards LIMIT ?)
                   INSERT INTO number SELECT n FROM upwards""",
                [first, keys],
            )
        for table, which, changes in growth.changes("digest({})", generations // (2 * keys)):
            with database:
                _copy(database, table, which.format(key=key, account=account), changes)
        with database:
            database.execute(growth.SUMS)
            _probe(database, probes.places(keys, first, len(secrets)), secrets)
        summed = database.execute(growth.SUMMED).fetchone()[0]
        assert generations <= summed + 2 * keys, f"roll-ups of {summed}"
        middle = database.execute("SELECT hash FROM api_key WHERE id = ?", [first + keys // 2])
        middle = middle.fetchone()[0].hex()
        database.close()
        return middle

    def plans(self):
        """Of every statement that stands whole in the store's sources."""
        database = self._open()
        statements = set()
        for source in sorted(SOURCES.rglob("*.rs")):
            statements.update(STATEMENT.findall(source.read_text().split("#[cfg(test)]")[0]))
        for statement in sorted(" ".join(statement.split()) for statement in statements):
            steps = self._steps(database, statement)
            if steps:
                is_scan = statement not in growth.ENDS_AT_ONCE and any(map(_is_scan, steps))
                yield statement[:90], "; ".join(steps), is_scan
        database.close()

    def _steps(self, database, statement):
        parameters = [None] * max(map(int, re.findall(r"\?(\d+)", statement)), default=0)
        try:
            steps = database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        except sqlite3.Error:
            return []  # A part of a statement.
        return [detail for *_, detail in steps]

    def _open(self):
        return sqlite3.connect(self._directory / "keyway.db")


def _is_scan(step):
    """Over a partial index only what it holds is read: keys that somebody brought, answers under way."""
    scanned = re.match(r"SCAN (\w+)(.*)", step)
    if not scanned or "generation_unsettled" in step or "key_secret_brought" in step:
        return False
    return scanned.group(1) in growth.GROWING


def _probe(database, places, secrets):
    """Gives the keys at `places` these secrets."""
    for key, secret in zip(places, secrets, strict=True):
        row = [probes.digest(secret), probes.label(secret), key]
        database.execute("UPDATE api_key SET hash = ?, label = ? WHERE id = ?", row)
        database.execute(
            "UPDATE key_secret SET hash = ?, label = ?, tag = ? WHERE key_id = ?",
            [*row[:2], probes.tag(secret), key],
        )


def _copy(database, table, which, changes):
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
