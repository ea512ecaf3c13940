"""A change of what an environment runs, as a pull request: one an environment, renewed by the next change."""

from pathlib import Path

from delivery import difference, release
from deploy import tools
from deploy.errors import DeployError, UsageError

_BASE = "main"
# What git and GitHub show for a commit of a workflow.
_AUTHOR = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")


def propose(root: Path, environment: str) -> str:
    """Commit the environment's changed files to a branch, push it, open or renew its pull request.

    Returns:
        what was done, for people.

    Raises:
        UsageError: the environment has no release to propose.
        DeployError: git or GitHub refuses.
    """
    proposed = release.read(root, environment)
    if proposed is None:
        raise UsageError(f"{environment} names no release: record or promote one first")
    paths = release.files(environment)
    if not _git(root, "status", "--porcelain", "--", *paths):
        return f"{environment} runs {proposed.short} already"
    before, after = (difference.at(root, environment, commit) for commit in ("HEAD", None))
    branch, title = f"delivery/{environment}", f"Deliver {proposed.short} to {environment}"
    body = (
        f"Chart of {proposed.revision}\n\n"
        f"- `{proposed.worker}`\n- `{proposed.airflow}`\n\n"
        f"{difference.as_markdown(before, after)}"
    )
    _git(root, "switch", "--quiet", "--force-create", branch)
    _git(root, "add", "--", *paths)
    name, email = _AUTHOR
    _git(
        *(root, "-c", f"user.name={name}", "-c", f"user.email={email}"),
        *("commit", "--quiet", "--message", title),
    )
    gh = tools.program("gh")
    tools.must("gh gives git no way in", gh, "auth", "setup-git")
    _git(root, "push", "--quiet", "--force", "origin", branch)
    number = tools.must(
        "the open pull requests are not listed",
        *(gh, "pr", "list", "--head", branch, "--base", _BASE, "--state", "open"),
        *("--json", "number", "--jq", ".[].number"),
    ).strip()
    if number:
        done, command = f"renewed pull request {number}", ["edit", number]
    else:
        done, command = "opened a pull request", ["create", "--base", _BASE, "--head", branch]
    tools.must(
        "the pull request is refused",
        *(gh, "pr", *command, "--title", title, "--body-file", "-"),
        stdin=body,
    )
    # GitHub starts no workflow for what a workflow's own token opens, but takes this from it.
    tools.must(
        "the tests of the pull request do not start", gh, "workflow", "run", "test.yml", "--ref", branch
    )
    return f"{done}: {title}"


def _git(root: Path, *arguments: str | Path) -> str:
    answer = tools.ask("git", "-C", root, *arguments)
    if answer.returncode != 0:
        raise DeployError(f"git refuses: {tools.last_line(answer)}")
    return answer.stdout
