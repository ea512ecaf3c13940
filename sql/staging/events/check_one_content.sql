-- check_one_content: one key, one content: no other line staged for the day, or for a loaded day near it, has
-- an event's key and says something else. A returned row names both lines.
-- Rerun: only reads.
select
    staging_events.session_id,
    staging_events.item_in_session,
    staging_events.source_file,
    staging_events.source_line,
    other.source_file as other_file,
    other.source_line as other_line
from staging_events
inner join staging_events as other
    on
        staging_events.session_id = other.session_id
        and staging_events.item_in_session = other.item_in_session
left join days_in_step on other.day = days_in_step.day
where
    staging_events.day = :day
    and other.day between :first_day and :last_day
    and staging_events.content_hash <> other.content_hash
    and (
        (other.day <> :day and days_in_step.day is not null)
        or (
            other.day = :day
            and (
                staging_events.source_file < other.source_file
                or (
                    staging_events.source_file = other.source_file
                    and staging_events.source_line < other.source_line
                )
            )
        )
    );
