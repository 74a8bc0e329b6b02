"""The sensor of a sync, which looks for new rows and asks for runs."""

import dagster as dg

from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.errors import unexpected
from oracle_sync.orchestration.cursor import stored_cursor
from oracle_sync.orchestration.jobs import build_sync_job
from oracle_sync.orchestration.names import sensor_name
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.orchestration.tick import Tick


def build_sensor(interval: int, *, running: bool, sync: Sync = PLAIN) -> dg.SensorDefinition:
    """Return the sensor of a sync, such as `new_opportunities`.

    Args:
        interval: seconds between two ticks, at least.
        running: whether it is on without a click.
        sync: whose rows it looks for.
    """

    @dg.sensor(
        name=sensor_name(sync),
        job=build_sync_job(sync),
        minimum_interval_seconds=interval,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED
        ),
        description=(
            "Looks every few seconds, with two small requests, whether Oracle has new or changed "
            f"rows of {sync.collection.path} for {sync.table_name}, and asks for a run if so. The "
            "cursor shows sync_state; change its offset, or set it to a bare number, to move the "
            "sync there."
        ),
    )
    def new_rows(
        context: dg.SensorEvaluationContext, oracle: OracleResource, db: DbResource
    ) -> dg.SensorResult | dg.SkipReason:
        before = stored_cursor(context)
        result: dg.SensorResult | dg.SkipReason
        try:
            result = Tick(context, sync, oracle, db).result()
        except Exception as error:
            result = dg.SkipReason(unexpected(error, "The tick").sentence())
        now = stored_cursor(context)
        if now and now != before:
            return dg.SensorResult(
                skip_reason="The cursor was set during this tick; the next one acts on it.",
                cursor=now,
            )
        return result

    return new_rows
