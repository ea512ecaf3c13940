"""A Redshift-compatible endpoint and an S3 server for laptops, tests and kind."""
