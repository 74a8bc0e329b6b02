"""The statements that write. Each is one transaction, or a step of one.

Belongs here: SQL for PostgreSQL 13 and later. Does not belong here: when to run it.
"""

from __future__ import annotations

from collections.abc import Sequence

from oracle_sync.config.collection import Collection

_NOW = "timezone('UTC', now())"


def commit(
    collection: Collection,
    *,
    marking: bool,
    rejecting: bool,
    repairing: bool,
    extras: bool = True,
    racing: bool = True,
) -> str:
    """The rows of a batch and the offset after them, in one statement, thus in one transaction.

    Where the state is not what the writer left, `page` is empty and nothing is written. Rows
    that are as they should be are not touched; only new rows draw an id, since the script's ids
    have 32 bits and `ON CONFLICT` alone would draw one for each row of each refresh.

    Without `racing` it fails with a unique violation, and writes nothing, where another sync
    stores one of the new rows at the same moment. A row then costs a third less, since it need
    not be inserted on approval.
    """
    c = collection
    elements = ["keys", "values", *(["extras"] if extras else [])]
    columns = ", ".join(f"json_array_elements_text(%({name})s)" for name in elements)
    conflict = f"""
            ON CONFLICT ({c.key.name}) DO UPDATE
            SET {c.columns[0].name} = excluded.{c.columns[0].name}, extra = excluded.extra,
                synced_at = excluded.synced_at,
                sync_names = array_append(
                    array_remove(t.sync_names, %(sync)s::varchar), %(sync)s::varchar)"""
    steps = [
        f"""
        state AS (
            UPDATE sync_state
            SET current_offset = %(after)s, anchor = %(anchor)s, is_complete = %(complete)s,
                total_synced = coalesce(total_synced, 0) + %(received)s, last_sync_at = {_NOW},
                doubt = coalesce(%(doubt)s, doubt)
            WHERE sync_name = %(sync)s AND epoch = %(epoch)s
              AND coalesce(current_offset, 0) = %(before)s
            RETURNING 1
        ),
        page AS (
            SELECT key, value, {"extra" if extras else "NULL"}::jsonb AS extra
            FROM ROWS FROM ({columns}) AS p(key, value{", extra" if extras else ""})
            WHERE EXISTS (SELECT FROM state)
        ),
        matched AS (
            SELECT p.*, t.id,
                t.{c.columns[0].name} IS DISTINCT FROM p.value
                    OR t.extra IS DISTINCT FROM p.extra AS changed,
                NOT coalesce(t.sync_names @> ARRAY[%(sync)s]::varchar[], false) AS claimed
            FROM page p LEFT JOIN {c.table} t ON t.{c.key.name} = p.key
        ),
        inserted AS (
            INSERT INTO {c.table} AS t
                ({c.key.name}, {c.columns[0].name}, extra, sync_names, synced_at)
            SELECT key, value, extra, ARRAY[%(sync)s]::varchar[], {_NOW}
            FROM matched WHERE id IS NULL {conflict if racing else ""}
            RETURNING {c.key.name} AS key
        ),
        updated AS (
            UPDATE {c.table} t
            SET {c.columns[0].name} = m.value, extra = m.extra,
                synced_at = CASE WHEN m.changed THEN {_NOW} ELSE t.synced_at END,
                sync_names = CASE WHEN m.claimed
                    THEN array_append(t.sync_names, %(sync)s::varchar) ELSE t.sync_names END
            FROM matched m
            WHERE t.id = m.id AND m.id IS NOT NULL AND (m.changed OR m.claimed)
            RETURNING m.changed
        ),
        returned AS (
            DELETE FROM {c.removed_table} r USING inserted i
            WHERE EXISTS (SELECT FROM {c.removed_table}) AND r.{c.key.name} = i.key RETURNING 1
        )"""
    ]
    if marking:
        steps.append(
            "marked AS (INSERT INTO refresh_marks (sync_name, walk, key) "
            "SELECT %(sync)s, %(walk)s, key FROM page UNION ALL "
            "SELECT %(sync)s, %(walk)s, key FROM json_array_elements_text(%(met)s) AS m(key) "
            "WHERE EXISTS (SELECT FROM state))"
        )
    if rejecting:
        steps.append(f"rejected AS ({_reject('WHERE EXISTS (SELECT FROM state)')})")
    if repairing:
        steps.append("""
        repaired AS (
            INSERT INTO sync_history (sync_name, action, from_offset, to_offset, who, reason)
            SELECT %(sync)s, 'repair', %(before)s, %(after)s, %(holder)s, %(doubt)s
            WHERE EXISTS (SELECT FROM state)
        )""")
    counts = {
        "state": "count(*) FROM state",
        "inserted": "count(*) FROM inserted",
        "updated": "count(*) FROM updated WHERE changed",
        "returned": "count(*) FROM returned",
        "rejected": "count(*) FROM rejected" if rejecting else "0",
    }
    chosen = ", ".join(f"(SELECT {count}) AS {name}" for name, count in counts.items())
    return f"WITH {', '.join(steps)} SELECT {chosen}"


def _reject(condition: str) -> str:
    return f"""
        INSERT INTO rejected_items (sync_name, at_offset, raw, reason, digest, walk)
        SELECT %(sync)s, r.at_offset, r.raw::json, r.reason, r.digest, %(walk)s
        FROM json_to_recordset(%(rejects)s)
            AS r(at_offset integer, raw text, reason text, digest text)
        {condition}
        ON CONFLICT (sync_name, digest) WHERE resolved_at IS NULL DO UPDATE
        SET at_offset = excluded.at_offset, reason = excluded.reason, walk = excluded.walk
        RETURNING 1
    """


_OURS = "WHERE EXISTS (SELECT FROM sync_state WHERE sync_name = %(sync)s AND epoch = %(epoch)s)"

SET_ASIDE = f"WITH rejected AS ({_reject(_OURS)}) SELECT count(*) AS rejected FROM rejected"

SET_STATE = f"""
    UPDATE sync_state
    SET current_offset = %(after)s, total_synced = %(total_synced)s, is_complete = %(complete)s,
        anchor = %(anchor)s, walk = %(walk)s, refreshing = %(refreshing)s, doubt = %(doubt)s,
        last_sync_at = CASE WHEN %(complete)s = 1 THEN {_NOW} ELSE last_sync_at END
    WHERE sync_name = %(sync)s AND epoch = %(epoch)s AND coalesce(current_offset, 0) = %(before)s
"""

NOTE = """
    WITH noted AS (
        UPDATE sync_state
        SET source_total = coalesce(%(source_total)s, source_total),
            last_error = %(error)s,
            last_error_at = CASE WHEN %(error)s IS NULL THEN last_error_at ELSE now() END,
            last_success_at = CASE WHEN %(error)s IS NULL THEN now() ELSE last_success_at END
        WHERE sync_name = %(sync)s AND epoch = %(epoch)s
        RETURNING 1
    )
    SELECT count(*) AS noted FROM noted
"""

FORGET_MARKS = "DELETE FROM refresh_marks WHERE sync_name = %(sync)s"

# Every row of the table is looked at, once, so hashing is right here. The marks have just been
# written, so that the planner knows nothing of them, and would compare each with each.
BEFORE_SWEEP = """
    SET LOCAL enable_hashjoin = on;
    SET LOCAL enable_nestloop = off;
    SET LOCAL work_mem = '64MB';
    SET LOCAL statement_timeout = '30min';
"""


def lock_table(collection: Collection) -> str:
    """Holds other syncs' commits off for the sweep, so that none claims a row while it goes."""
    return f"LOCK TABLE {collection.table} IN SHARE ROW EXCLUSIVE MODE"


def _mine() -> str:
    # A row without names was made by the script. It belongs to the only sync there is, if so.
    return """(t.sync_names @> ARRAY[%(sync)s]::varchar[]
        OR t.sync_names IS NULL AND (SELECT count(*) FROM sync_state) = 1)"""


def _unseen(collection: Collection) -> str:
    return f"""{_mine()} AND NOT EXISTS (
        SELECT FROM refresh_marks m WHERE m.sync_name = %(sync)s AND m.walk = %(walk)s
          AND m.key = t.{collection.key.name})"""


def count_unseen(collection: Collection) -> str:
    """How many rows a sync has, and how many of them its refresh did not see."""
    return f"""
        SELECT (SELECT count(*) FROM {collection.table} t WHERE {_mine()}) AS rows,
               (SELECT count(*) FROM {collection.table} t WHERE {_unseen(collection)}) AS unseen
    """


def count_kept(collection: Collection) -> str:
    """How many items of a sync are stored or set aside; null unless its anchor was adopted."""
    return f"""
        SELECT CASE WHEN 'adopt' = (
            SELECT action FROM sync_history WHERE sync_name = %(sync)s ORDER BY id DESC LIMIT 1
        ) THEN (SELECT count(*) FROM {collection.table} t WHERE {_mine()})
             + (SELECT count(*) FROM rejected_items
                WHERE sync_name = %(sync)s AND resolved_at IS NULL)
        END AS kept
    """


def sweep(collection: Collection) -> Sequence[str]:
    """Give up rows that other syncs still see; move the rest to the table of removed ones."""
    c = collection
    return (
        f"""
        UPDATE {c.table} t SET sync_names = array_remove(t.sync_names, %(sync)s::varchar)
        WHERE cardinality(t.sync_names) > 1 AND {_unseen(c)}
        """,
        f"""
        WITH gone AS (
            DELETE FROM {c.table} t WHERE {_unseen(c)}
            RETURNING {c.key.name}, {c.columns[0].name}, synced_at, extra
        )
        INSERT INTO {c.removed_table}
            ({c.key.name}, {c.columns[0].name}, synced_at, extra, sync_name, removed_by)
        SELECT gone.*, %(sync)s, %(holder)s FROM gone
        ON CONFLICT ({c.key.name}) DO UPDATE
        SET {c.columns[0].name} = excluded.{c.columns[0].name}, synced_at = excluded.synced_at,
            extra = excluded.extra, sync_name = excluded.sync_name,
            removed_at = now(), removed_by = excluded.removed_by
        """,
    )


RESOLVE = """
    UPDATE rejected_items SET resolved_at = now(), resolution = %(resolution)s
    WHERE id = %(id)s RETURNING 1
"""

RESOLVE_REJECTS = """
    UPDATE rejected_items SET resolved_at = now(), resolution = 'not met by a full refresh'
    WHERE sync_name = %(sync)s AND resolved_at IS NULL AND walk < %(walk)s
"""
