"""A leaderboard in Python: CSV lines `name,score` become the sorted set `leaderboard`."""

import csv
import io

import wit_world
from componentize_py_types import Err
from wit_world.imports import log, settings
from wit_world.imports.types import Entry, Value_SortedSet


class WitWorld(wit_world.WitWorld):
    def transform(self, object):
        text = bytes(object.body).decode()
        try:
            scores = [(name.encode(), float(score)) for name, score in csv.reader(io.StringIO(text))]
        except ValueError:
            raise Err(f"{object.key} is not made of lines `name,score`")
        log.write(log.Level.INFO, f"{len(scores)} players")
        key = settings.get("key") or "leaderboard"
        return [Entry(key=key, value=Value_SortedSet(scores), ttl_seconds=None)]
