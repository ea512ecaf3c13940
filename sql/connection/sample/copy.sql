-- sample: one row, by the way that every part takes: does COPY's role reach the staging prefix?
-- Rerun: the table is temporary and empty.
copy sample
from :part
iam_role :copy_role
region :region
format as json 'auto'
compupdate off
statupdate off;
