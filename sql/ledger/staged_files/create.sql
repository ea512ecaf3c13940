-- staged_files: the ledger: what each staged source file was and what became of its lines.
-- Grain: source ('events' or 'songs'), source_file. lines = loaded + quarantined + blank, and is the number
-- of the file's last line.
-- version is that of the stage which read the file (staging_versions holds the newest of its day).
-- Distribution: all, small and joined everywhere. Rerun: kept as it is.
create table if not exists staged_files (
    source varchar(16) not null encode zstd,
    day date encode az64,
    source_file varchar(1024) not null encode zstd,
    etag varchar(256) not null encode zstd,
    size bigint not null encode az64,
    lines bigint not null encode az64,
    loaded bigint not null encode az64,
    quarantined bigint not null encode az64,
    blank bigint not null default 0 encode az64,
    version varchar(64) not null encode zstd,
    run varchar(256) not null encode zstd,
    staged_at timestamp not null default getdate() encode az64
)
diststyle all;
