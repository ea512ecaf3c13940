"""The drawings of docs/architecture.md, made from the code."""
