"""The steps of the Sparkify pipeline: S3 JSON to a Redshift star schema."""
