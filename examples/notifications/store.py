"""Notifications, and who has read which. They are kept, so that a client that was away can ask for what came after the last
id it saw; ids only grow, also over a restart. One SQLite file; the newest `KEPT` stay."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timezone

KEPT = 1000
# What a client gets at most when it catches up: the newest.
LATEST = 100

TABLES = """
CREATE TABLE IF NOT EXISTS notification (
  id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, recipient TEXT,
  type TEXT NOT NULL, title TEXT NOT NULL, message TEXT NOT NULL, time TEXT NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS reading (
  person TEXT, id INTEGER REFERENCES notification ON DELETE CASCADE, PRIMARY KEY (person, id)
);
"""


class Store:
    def __init__(self, path):
        self.path = path
        with closing(self._open()) as base, base:
            base.executescript(TABLES)

    def add(self, event, recipient, kind, title, message, data):
        """Keeps one and returns it in the format that all clients know. `recipient` None: not one person's alone."""
        time = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        columns = (event, recipient, kind, title, message, time, json.dumps(data))
        with closing(self._open()) as base, base:
            row = base.execute(
                "INSERT INTO notification (event, recipient, type, title, message, time, data) VALUES (?, ?, ?, ?, ?, ?, ?)", columns
            )
            base.execute("DELETE FROM notification WHERE id <= ?", (row.lastrowid - KEPT,))
        return {"id": row.lastrowid, "type": kind, "title": title, "message": message, "time": time, "data": data, "read": False}

    def since(self, last, person):
        """What came after the id `last`, oldest first: the event it was sent as, and the notification."""
        question = """
          SELECT event, n.id, type, title, message, time, data, r.id IS NOT NULL AS read FROM notification n
          LEFT JOIN reading r ON r.id = n.id AND r.person = ?1
          WHERE n.id > ?2 AND (recipient IS NULL OR recipient = ?1) ORDER BY n.id DESC LIMIT ?3
        """
        with closing(self._open()) as base:
            rows = base.execute(question, (person, last, LATEST)).fetchall()
        return [(row["event"], self._notification(row)) for row in reversed(rows)]

    def read(self, person, ids):
        """Marks these as read by this person; ids that are not there are passed over."""
        known = "INSERT OR IGNORE INTO reading SELECT ?, id FROM notification WHERE id = ?"
        with closing(self._open()) as base, base:
            base.executemany(known, [(person, number) for number in ids])

    def _notification(self, row):
        plain = {name: row[name] for name in ("id", "type", "title", "message", "time")}
        return {**plain, "data": json.loads(row["data"]), "read": bool(row["read"])}

    def _open(self):
        base = sqlite3.connect(self.path)
        base.row_factory = sqlite3.Row
        base.execute("PRAGMA foreign_keys = ON")
        return base
