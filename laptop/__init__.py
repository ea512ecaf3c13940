"""The whole pipeline on one laptop: the DAGs' own graph, run by subprocesses against the sandbox."""
