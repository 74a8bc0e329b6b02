"""The script that this project replaces, rewritten: one loop, and an offset in a table."""

from __future__ import annotations

import os

from sqlalchemy import create_engine, text

from benchmarks.contestants.floor import PARAMETERS, address, session

NAME = "oracle_opportunities"
TABLES = (
    """CREATE TABLE IF NOT EXISTS sync_state (
        id SERIAL PRIMARY KEY, sync_name VARCHAR UNIQUE, current_offset INTEGER DEFAULT 0,
        total_synced INTEGER DEFAULT 0, last_sync_at TIMESTAMP, is_complete INTEGER DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS minimal_opportunities (
        id SERIAL PRIMARY KEY, opportunity_id VARCHAR UNIQUE NOT NULL,
        opportunity_number VARCHAR, synced_at TIMESTAMP)""",
    f"INSERT INTO sync_state (sync_name) VALUES ('{NAME}') ON CONFLICT DO NOTHING",
)
UPSERT = text("""
    INSERT INTO minimal_opportunities (opportunity_id, opportunity_number, synced_at)
    VALUES (:id, :number, now())
    ON CONFLICT (opportunity_id) DO UPDATE
    SET opportunity_number = excluded.opportunity_number, synced_at = now()
""")
ADVANCE = text("""
    UPDATE sync_state SET current_offset = :after, total_synced = total_synced + :count,
        last_sync_at = now(), is_complete = :complete WHERE sync_name = :name
""")


def main(batch_size: int, anew: bool) -> None:
    """Go on from the stored offset, or from 0, until a page is not full."""
    engine = create_engine(os.environ["DATABASE_URL"])
    with engine.begin() as connection:
        for statement in TABLES:
            connection.execute(text(statement))
        query = text("SELECT current_offset FROM sync_state WHERE sync_name = :name")
        offset = 0 if anew else connection.execute(query, {"name": NAME}).scalar_one()
    http = session()
    while True:
        parameters: dict[str, str | int] = {"limit": batch_size, "offset": offset}
        answer = http.get(address(), params=PARAMETERS | parameters, timeout=60)
        answer.raise_for_status()
        page = answer.json()
        items = page["items"]
        offset += len(items)
        complete = not page["hasMore"]
        with engine.begin() as connection:
            for item in items:
                row = {"id": str(item["OptyId"]), "number": item["OptyNumber"]}
                connection.execute(UPSERT, row)
            state = {"after": offset, "count": len(items), "complete": int(complete)}
            connection.execute(ADVANCE, state | {"name": NAME})
        if complete:
            return


if __name__ == "__main__":
    main(int(os.environ["BENCH_PAGE"]), anew=bool(os.environ.get("BENCH_ANEW")))
