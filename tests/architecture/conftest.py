"""The account of `sparkify-aws`' own tests."""

from tests.provision.conftest import *  # noqa: F403
