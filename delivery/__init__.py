"""What is delivered where: releases written to gitops/, proposed as pull requests, and what they change."""
