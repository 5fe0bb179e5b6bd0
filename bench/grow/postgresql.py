"""PostgreSQL: a server of its own, filled by SQL while the gateway does not run."""

import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import growth
import probes
from gateway import Gateway

START_S_MAX = 30
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "2GB",
    "maintenance_work_mem": "1GB",
    "work_mem": "256MB",
    "max_wal_size": "8GB",
    "shared_preload_libraries": "auto_explain",
    "auto_explain.log_format": "json",
    "log_destination": "jsonlog",
    "logging_collector": "on",
    "log_directory": "log",
}
# Rows that one statement writes, so that it can be seen to go on.
PIECE = 1_000_000


class Store:
    NAME = "PostgreSQL"

    def __init__(self, binary, scratch):
        self._binary, self._scratch = binary, scratch
        self._secret = scratch / "secret.key"
        self._secret.write_text(probes.INSTALLATION_SECRET.hex())
        self._programs = _programs()
        # It refuses to run as root.
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def __enter__(self):
        data = self._scratch / "postgresql"
        data.mkdir()
        if self._as:
            self._scratch.chmod(0o755)
            shutil.chown(data, "postgres")
        made = [self._programs / "initdb", "--auth=trust", "--username=keyway", "--encoding=UTF8"]
        subprocess.run([*self._as, *made, "-D", data], check=True, stdout=subprocess.DEVNULL)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._port = listener.getsockname()[1]
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        server = [self._programs / "postgres", "-D", data, "-p", str(self._port), "-k", data, *settings]
        self._server = subprocess.Popen([*self._as, *server], stderr=subprocess.DEVNULL)
        self._data = data
        self._wait()
        self._sql("CREATE DATABASE keyway", database="postgres")
        return self

    def __exit__(self, *_):
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        self._server.wait()

    def gateway(self):
        url = f"postgres://keyway@127.0.0.1:{self._port}/keyway"
        variables = {"KEYWAY_SECRET_FILE": str(self._secret), "KEYWAY_STORE_URL": url}
        return Gateway(self._binary, self._scratch / "keyway-data", variables)

    def fill(self, original, keys, generations, secrets):
        """Answers the hash of the key in the middle."""
        found = self._sql(f"SELECT id, account_id FROM api_key WHERE hash = '\\x{original}'")
        key, account = map(int, found.split("|"))
        ids = self._sql("SELECT max(id), max(account_id) FROM api_key").split("|")
        first = max(map(int, ids)) + 1
        digest = "sha256(convert_to({}, 'UTF8'))"
        for table, which, changes in growth.changes(digest, generations // (2 * keys)):
            self._copy(table, which.format(key=key, account=account), changes, first, keys)
        self._sql(growth.SUMS)
        self._probe(probes.places(keys, first, len(secrets)), secrets)
        # The next key's number stands behind the copies'.
        self._sql("UPDATE installation SET keys = (SELECT max(id) FROM api_key)")
        # What its own housekeeping does by and by.
        self._sql("VACUUM ANALYZE")
        summed = int(self._sql(growth.SUMMED))
        assert generations <= summed + 2 * keys, f"roll-ups of {summed}"
        return self._sql(f"SELECT encode(hash, 'hex') FROM api_key WHERE id = {first + keys // 2}")

    def plans(self):
        """Of every statement that a few calls of each kind made, as the server itself noted them."""
        self._sql("ALTER SYSTEM SET auto_explain.log_min_duration = 0")
        self._sql("SELECT pg_reload_conf()")
        with self.gateway() as gateway:
            _one_of_each(gateway)
        # Reading a handful of rows one by one is right; what is small says nothing about growth.
        large = self._sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > 1000")
        plans = {}
        for line in self._log():
            message = json.loads(line).get("message", "")
            if "plan:\n" not in message:
                continue
            explained = json.loads(message.split("plan:\n", 1)[1])
            nodes = list(_nodes(explained["Plan"]))
            statement = " ".join(explained["Query Text"].split())
            plans[statement] = nodes
        for statement, nodes in sorted(plans.items()):
            scans = any(kind == "Seq Scan" and table in large.split() for kind, table, _ in nodes)
            is_scan = scans and statement not in growth.ENDS_AT_ONCE
            said = [" ".join(filter(None, node)) for node in nodes]
            yield statement[:90], "; ".join(said), is_scan

    def _log(self):
        for path in sorted((self._data / "log").glob("*.json")):
            yield from path.read_text().splitlines()

    def _copy(self, table, which, changes, first, keys):
        columns = self._sql(
            "SELECT string_agg(column_name, ',' ORDER BY ordinal_position) "
            f"FROM information_schema.columns WHERE table_name = '{table}'"
        ).split(",")
        values = ", ".join(changes.get(column, f"template.{column}") for column in columns)
        order = f"ORDER BY {columns.index('hash') + 1}" if columns[0] == "hash" else ""
        piece = keys if order else PIECE
        for begin in range(first, first + keys, piece):
            end = min(begin + piece, first + keys) - 1
            self._sql(
                # Constraints hold for copies as for the original; foreign keys are not looked up one by one.
                "SET session_replication_role = replica; SET synchronous_commit = off; "
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} "
                f"FROM generate_series({begin}, {end}) AS number (n) "
                f"CROSS JOIN (SELECT * FROM {table} WHERE {which}) AS template {order}"
            )

    def _probe(self, places, secrets):
        for key, secret in zip(places, secrets, strict=True):
            hash_, tag = probes.digest(secret).hex(), probes.tag(secret).hex()
            label = probes.label(secret)
            self._sql(
                "SET session_replication_role = replica; "
                f"UPDATE api_key SET hash = '\\x{hash_}', label = '{label}' WHERE id = {key}; "
                f"UPDATE key_secret SET hash = '\\x{hash_}', label = '{label}', tag = '\\x{tag}' "
                f"WHERE key_id = {key}"
            )

    def _sql(self, sql, database="keyway"):
        psql = [self._programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "keyway", "-d", database, "-c", sql]
        ran = subprocess.run([*psql, *where], check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    def _wait(self):
        until = time.monotonic() + START_S_MAX
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        while subprocess.run(ready).returncode != 0:
            assert time.monotonic() < until and self._server.poll() is None, "PostgreSQL did not start"
            time.sleep(0.1)


def _programs():
    """Where Debian keeps servers by version; elsewhere they are on the path."""
    newest = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    return pathlib.Path(newest[-1] if newest else os.path.dirname(shutil.which("postgres")))


def _nodes(plan):
    table, index = plan.get("Relation Name", ""), plan.get("Index Name", "")
    if table or index:
        yield plan["Node Type"], table, f"by {index}" if index else ""
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


def _one_of_each(gateway):
    import calls

    for number in range(3):
        made = calls._created(gateway, number)
        calls._completed(gateway, made["key"])
        calls._page(gateway, "")
        calls._page(gateway, f"?after={made['data']['hash']}")
