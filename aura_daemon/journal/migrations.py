"""The journal's tables, from the first version to this one. In: an open database. Out: its tables, up to date.

A published migration is never changed: there are journals that it was applied to.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Final

from aura_daemon.errors import BrokenState, JournalRefused
from aura_daemon.journal.database import Database

_TABLES: Final = """
CREATE TABLE sources (
    id TEXT PRIMARY KEY,
    path BLOB NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    sha256 TEXT NOT NULL DEFAULT '',
    settled_s REAL NOT NULL,
    claimed_at REAL NOT NULL,
    failure TEXT,
    problems TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;
CREATE INDEX sources_path ON sources (path);
CREATE INDEX sources_unfinished ON sources (id) WHERE state <> 'closed';
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    source_id TEXT NOT NULL REFERENCES sources (id),
    number INTEGER,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    text BLOB NOT NULL,
    folder BLOB NOT NULL,
    stem BLOB NOT NULL,
    stem_key TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    payload_sha256 TEXT,
    failure TEXT,
    finished_at REAL,
    total_s REAL
) WITHOUT ROWID;
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_next ON jobs (state, kind, id);
CREATE INDEX jobs_oldest ON jobs (state, id);
CREATE INDEX jobs_stem ON jobs (stem_key, folder);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE TABLE companions (
    path BLOB PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL
) WITHOUT ROWID;
"""

_ORDER_AND_FOLDERS: Final = """
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN defaults TEXT NOT NULL DEFAULT '[]';
DROP INDEX jobs_next;
CREATE INDEX jobs_next ON jobs (state, kind, priority DESC, id);
CREATE TABLE named_images (
    path BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    source_id TEXT NOT NULL REFERENCES sources (id),
    PRIMARY KEY (path, size_bytes, modified_ns, source_id)
) WITHOUT ROWID;
CREATE INDEX named_images_source ON named_images (source_id);
"""

_MODELS: Final = """
ALTER TABLE jobs ADD COLUMN model TEXT NOT NULL DEFAULT '';
DROP INDEX jobs_next;
CREATE INDEX jobs_next ON jobs (state, kind, model, priority DESC, id);
"""

_ATTEMPTS_AND_MEASURES: Final = """
ALTER TABLE jobs ADD COLUMN tried TEXT NOT NULL DEFAULT '[]';
CREATE TABLE measured (
    model TEXT NOT NULL,
    device TEXT NOT NULL,
    dtype TEXT NOT NULL,
    rung TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    peak_bytes INTEGER NOT NULL DEFAULT 0,
    step_s REAL NOT NULL DEFAULT 0,
    refused_bytes INTEGER NOT NULL DEFAULT 0,
    good_since INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (model, device, dtype, rung, width, height, batch)
) WITHOUT ROWID;
"""

_NAMES: Final = """
ALTER TABLE sources ADD COLUMN name BLOB NOT NULL DEFAULT x'';
UPDATE sources SET name = last_name(path);
CREATE INDEX sources_images ON sources (name) WHERE kind = 'image';
"""
"""Images are found by the last part of their path, however many files were ever claimed."""

_ROWS_REFUSALS_AND_DEMANDS: Final = """
ALTER TABLE measured RENAME TO measured_before;
CREATE TABLE measured (
    model TEXT NOT NULL,
    device TEXT NOT NULL,
    dtype TEXT NOT NULL,
    rung TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    guided INTEGER NOT NULL,
    peak_bytes INTEGER NOT NULL,
    step_s REAL NOT NULL,
    refused_bytes INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    good_since INTEGER NOT NULL,
    size_good_since INTEGER NOT NULL,
    PRIMARY KEY (model, device, dtype, rung, width, height, batch, guided)
) WITHOUT ROWID;
INSERT INTO measured
    SELECT model, device, dtype, rung, width, height, batch, width > 0, peak_bytes, step_s, refused_bytes,
        refused_bytes > 0, good_since, 0
    FROM measured_before;
DROP TABLE measured_before;
ALTER TABLE jobs ADD COLUMN demand TEXT NOT NULL DEFAULT '';
UPDATE jobs SET demand = demand_of(request) WHERE state NOT IN ('done', 'failed');
CREATE INDEX jobs_demand ON jobs (state, demand);
"""
"""Older rows do not say whether guidance was used: they count as guided, as nearly all are. Captions have no size."""

_BEGUN: Final = "ALTER TABLE jobs ADD COLUMN begun TEXT;"

_VARIANTS: Final = """
ALTER TABLE measured RENAME TO measured_before;
CREATE TABLE measured (
    model TEXT NOT NULL,
    device TEXT NOT NULL,
    dtype TEXT NOT NULL,
    rung TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    guided INTEGER NOT NULL,
    variant TEXT NOT NULL DEFAULT 'eager',
    peak_bytes INTEGER NOT NULL,
    step_s REAL NOT NULL,
    refused_bytes INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    good_since INTEGER NOT NULL,
    size_good_since INTEGER NOT NULL,
    PRIMARY KEY (model, device, dtype, rung, width, height, batch, guided, variant)
) WITHOUT ROWID;
INSERT INTO measured
    SELECT model, device, dtype, rung, width, height, batch, guided, 'eager', peak_bytes, step_s, refused_bytes,
        refusals, good_since, size_good_since
    FROM measured_before;
DROP TABLE measured_before;
"""
"""Until then there was one way to compute a result (`jobs.results.EAGER`)."""

_WAITS_FOR: Final = """
ALTER TABLE jobs ADD COLUMN waits_for TEXT NOT NULL DEFAULT '[]';
UPDATE jobs SET waits_for = json_extract(request, '$.cells') WHERE kind = 'grid';
"""
"""Contact sheets waited for all other jobs of their file; they need those that draw their cells."""

_WARNINGS: Final = "ALTER TABLE jobs ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';"

_REFUSED: Final = "CREATE INDEX sources_refused ON sources (claimed_at) WHERE failure IS NOT NULL;"
"""Files without jobs count as failed: they are counted and told without reading every file that was ever claimed."""

_IMAGE_KEYS: Final = """
DROP INDEX sources_images;
ALTER TABLE sources RENAME COLUMN name TO image_key;
UPDATE sources SET image_key = image_key(path);
CREATE INDEX sources_images ON sources (image_key, path) WHERE kind = 'image';
"""
"""Images are found in whatever spelling and with whatever extension a job file names them."""

_BENCHMARKS: Final = """
CREATE TABLE benchmarks (
    job_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    device TEXT NOT NULL,
    dtype TEXT NOT NULL,
    variant TEXT NOT NULL,
    settings TEXT NOT NULL,
    finished TEXT NOT NULL,
    figures TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX benchmarks_model ON benchmarks (model, kind, finished);
"""
"""Earlier benchmarks, so that the next can tell what changed, whatever becomes of the files in the outbox."""

_HOOK_EVENTS: Final = """
CREATE TABLE hook_events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    recorded_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    outcome TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX hook_events_open ON hook_events (state, kind, id) WHERE state <> 'ended';
CREATE INDEX hook_events_subject ON hook_events (subject);
"""
_ENDED: Final = """
CREATE TABLE ended (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE
);
INSERT INTO ended (id) SELECT id FROM (
    SELECT id, finished_at AS ended_at FROM jobs WHERE state IN ('done', 'failed')
    UNION ALL SELECT id, claimed_at FROM sources WHERE failure IS NOT NULL
) ORDER BY ended_at, id;
CREATE TRIGGER job_ended AFTER UPDATE OF state ON jobs
    WHEN NEW.state IN ('done', 'failed') AND OLD.state <> NEW.state
    BEGIN DELETE FROM ended WHERE id = NEW.id; INSERT INTO ended (id) VALUES (NEW.id); END;
CREATE TRIGGER source_refused AFTER UPDATE OF failure ON sources WHEN NEW.failure IS NOT NULL
    BEGIN DELETE FROM ended WHERE id = NEW.id; INSERT INTO ended (id) VALUES (NEW.id); END;
CREATE TRIGGER job_forgotten AFTER DELETE ON jobs BEGIN DELETE FROM ended WHERE id = OLD.id; END;
CREATE TRIGGER source_forgotten AFTER DELETE ON sources BEGIN DELETE FROM ended WHERE id = OLD.id; END;
"""
"""Numbers what has ended in its order, whatever the clock did; the pages of the gallery go by these numbers.

SQLite numbers it in the transaction that ends a job, and never gives a number twice."""

_CHAINS: Final = "ALTER TABLE jobs ADD COLUMN chain TEXT;"

_JOBS_IN_ORDER: Final = """
ALTER TABLE jobs RENAME TO jobs_before;
CREATE TABLE jobs (
    id TEXT NOT NULL UNIQUE,
    source_id TEXT NOT NULL REFERENCES sources (id),
    number INTEGER,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    text BLOB NOT NULL,
    folder BLOB NOT NULL,
    stem BLOB NOT NULL,
    stem_key TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    payload_sha256 TEXT,
    failure TEXT,
    finished_at REAL,
    total_s REAL,
    priority INTEGER NOT NULL DEFAULT 0,
    defaults TEXT NOT NULL DEFAULT '[]',
    model TEXT NOT NULL DEFAULT '',
    tried TEXT NOT NULL DEFAULT '[]',
    demand TEXT NOT NULL DEFAULT '',
    begun TEXT,
    waits_for TEXT NOT NULL DEFAULT '[]',
    warnings TEXT NOT NULL DEFAULT '[]',
    chain TEXT
);
INSERT INTO jobs SELECT * FROM jobs_before ORDER BY id;
DROP TABLE jobs_before;
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_next ON jobs (state, kind, model, priority DESC, id);
CREATE INDEX jobs_oldest ON jobs (state, id);
CREATE INDEX jobs_stem ON jobs (stem_key, folder);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_demand ON jobs (state, demand);
CREATE TRIGGER job_ended AFTER UPDATE OF state ON jobs
    WHEN NEW.state IN ('done', 'failed') AND OLD.state <> NEW.state
    BEGIN DELETE FROM ended WHERE id = NEW.id; INSERT INTO ended (id) VALUES (NEW.id); END;
CREATE TRIGGER job_forgotten AFTER DELETE ON jobs BEGIN DELETE FROM ended WHERE id = OLD.id; END;
"""
"""SQLite keeps rows of more than a quarter of a page, as most jobs are, in a page of their own where a table has no
rowid: a job took 5 kB for its one."""

MIGRATIONS: Final = (
    _TABLES,
    _ORDER_AND_FOLDERS,
    _MODELS,
    _ATTEMPTS_AND_MEASURES,
    _NAMES,
    _ROWS_REFUSALS_AND_DEMANDS,
    _BEGUN,
    _VARIANTS,
    _WAITS_FOR,
    _WARNINGS,
    _REFUSED,
    _IMAGE_KEYS,
    _BENCHMARKS,
    _HOOK_EVENTS,
    _ENDED,
    _CHAINS,
    _JOBS_IN_ORDER,
)
"""The steps from each version to the next; the first n of them were applied to a journal of version n."""

VERSION: Final = len(MIGRATIONS)
"""A journal of a later version is refused."""


def prepare(database: Database, path: Path, *, read_only: bool) -> None:
    """Brings the tables up to date; raises BrokenState for later ones, JournalRefused for a reader of earlier ones."""
    if not read_only:
        # macOS's fsync leaves what was written in the disk's own cache; elsewhere fullfsync changes nothing.
        database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = TRUE;")
    row = database.row("PRAGMA user_version")
    version = row[0] if row is not None else 0
    if version > VERSION:
        raise BrokenState(f"the journal {path} is of version {version}, this program knows {VERSION}: update it")
    if read_only and version < VERSION:
        if version == 0:
            raise JournalRefused(errno.ENOENT, "the journal holds nothing yet")
        raise JournalRefused(errno.EPROTO, "the journal is of an earlier release: run the daemon")
    if version < VERSION:
        if version:
            _announce()
        _define_functions(database)
        steps = "".join(MIGRATIONS[version:])
        database.run(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")


def _announce() -> None:
    """Says why a start takes long. Readers have no log and import none."""
    from loguru import logger

    logger.info("the journal is of an earlier release and is brought up to date: minutes for a million jobs")


def _define_functions(database: Database) -> None:
    """The functions that migrations call. What they need is imported here, as readers never migrate."""
    from aura_daemon.jobs.queueing import demand_of
    from aura_daemon.journal.records import image_key
    from aura_daemon.journal.request_json import request_from_dict

    database.define("last_name", lambda path: path.rpartition(b"/")[2])
    database.define("image_key", lambda path: image_key(os.fsdecode(path)))
    database.define("demand_of", lambda text: demand_of(request_from_dict(json.loads(text))))
