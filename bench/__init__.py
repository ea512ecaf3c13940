"""Benchmarks: each part against what a user would pick instead, in one run. `python -m bench [PART …]`."""
