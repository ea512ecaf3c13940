"""The pipeline of tests/star is what the sequences of tests/order are done to."""

from tests.star.conftest import pipeline as pipeline
