"""The pipeline of tests/star is where secrets are planted."""

from tests.star.conftest import pipeline as pipeline
