-- touched_files: a stage's files on their way into the ledger; one with no etag is gone from S3.
-- Grain: source_file. Rerun: a temporary table of the stage's own transaction.
create temp table touched_files (
    source_file varchar(1024) not null,
    etag varchar(256),
    size bigint,
    lines bigint,
    loaded bigint,
    quarantined bigint,
    blank bigint
);
