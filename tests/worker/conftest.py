"""The pipeline of tests/star is the worker's too."""

from tests.star.conftest import pipeline as pipeline
