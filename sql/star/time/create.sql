-- time: one row a start time of a play, to the millisecond, in UTC. Grain: start_time.
-- week is the ISO week; weekday counts from Sunday = 0.
-- Distribution and sort: start_time, the only key; there is nearly a row a play, too many for a copy on
-- each node.
-- Rerun: kept as it is.
create table if not exists "time" (
    start_time timestamp not null encode raw,
    hour smallint not null encode az64,
    day smallint not null encode az64,
    week smallint not null encode az64,
    month smallint not null encode az64,
    year smallint not null encode az64,
    weekday smallint not null encode az64,
    primary key (start_time)
)
diststyle key distkey (start_time)
compound sortkey (start_time);
