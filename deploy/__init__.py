"""The pipeline on Kubernetes: its images, its installation, its source data."""
