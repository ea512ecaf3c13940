"""The pipeline of tests/star is what hostile input meets."""

from tests.star.conftest import pipeline as pipeline
