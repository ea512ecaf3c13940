-- sample: the row that `sparkify connect` brings from S3. Grain: number.
-- Rerun: a temporary table of a transaction that is rolled back.
create temp table sample (
    number integer not null
);
