-- schema_drift: how the lines that are staged now depart from their source's contract
-- (sql/staging/<source>/contract.toml), as far as it says warn. Grain: source_file, field, reason.
-- reason is unknown (the contract does not know the field), required (it is not there), type or size (its
-- column cannot hold the value). lines counts the file's lines; example is the JSON of the first one's value,
-- cut at 200 characters. What could not go to its column is in staging's rescued_data.
-- Distribution: all, small. Rerun: kept as it is.
create table if not exists schema_drift (
    source varchar(16) not null encode zstd,
    day date encode az64,
    source_file varchar(1024) not null encode zstd,
    field varchar(1024) not null encode zstd,
    reason varchar(32) not null encode bytedict,
    lines bigint not null encode az64,
    first_line bigint not null encode az64,
    example varchar(1024) encode zstd,
    version varchar(64) not null encode zstd,
    run varchar(256) not null encode zstd
)
diststyle all;
