"""docs/architecture.md shows what is there; what is added without being drawn is noticed."""

from __future__ import annotations

import ast
import copy
import re
from pathlib import Path

import pytest

from architecture import render
from architecture.render import DOCUMENT, WORKER, Incomplete
from helm.render import program
from laptop.graph import Task
from tests.provision.aws import ID, REGION, Aws
from tests.provision.conftest import Command

TEXT = DOCUMENT.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rendered_objects() -> dict[str, list[render.Object]]:
    if program() is None:
        pytest.skip("helm is not installed")
    return render.read_objects()


def drawing(name: str) -> str:
    (found,) = re.findall(f"<!-- from the code: {name} -->\n(.*?)<!-- end -->", TEXT, re.DOTALL)
    return str(found)


def test_each_task_of_the_dag_files_and_each_edge_is_drawn() -> None:
    # By the files' own text: `make lint` compares with the graph that Airflow reads.
    drawn = drawing("tasks")
    called = [
        [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        for file in sorted((DOCUMENT.parents[1] / "dags").glob("sparkify_*.py"))
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "worker"
    ]
    assert len(called) >= 5
    for words in called:
        assert f"<b>{'_'.join(words)}</b><br/>sparkify {' '.join(words)}" in drawn
    assert sorted(re.findall(r"^ *(\w+ --> \w+)$", drawn, re.M)) == [
        "load --> check",
        "stage_events --> load",
        "stage_songs --> load",
    ]


def test_each_object_of_the_chart_is_drawn_in_its_namespace_with_its_kind(
    rendered_objects: dict[str, list[render.Object]],
) -> None:
    boxes = dict(re.findall(r"^  subgraph (\w+).*?\n(.*?)^  end$", drawing("objects"), re.M | re.DOTALL))
    assert set(boxes) == {"cluster", "jobs", "release"}
    count = 0
    for each in (each for made in rendered_objects.values() for each in made):
        about, kind = each["metadata"], each["kind"]
        box = "jobs" if about.get("namespace") == "sparkify-jobs" else "release"
        nodes = [
            re.split("<br/>", node)
            for node in re.findall(r'\["(.*?)"\]', boxes["cluster" if kind == "Namespace" else box])
        ]
        names = [
            name.partition(" (")[0] for title, *names in nodes for name in names if title == f"<b>{kind}</b>"
        ]
        assert re.sub(r"-1-0{8}$", "-REVISION-DIGEST", about["name"]) in names, (kind, about["name"])
        count += 1
    assert count > 40


def test_each_module_of_the_worker_is_drawn_once() -> None:
    drawn = re.findall(r"</b><br/>(.*?)\"\]", drawing("modules"))
    modules = [name for names in drawn for name in names.split(", ")]
    assert sorted(modules) == sorted(path.stem for path in WORKER.glob("*.py") if path.stem != "__init__")


def without_ids(text: str) -> str:
    return text.replace(ID, "ACCOUNT").replace(REGION, "REGION")


def test_each_thing_that_up_makes_is_drawn_once(command: Command) -> None:
    made = re.findall(r"^make    (.*)$", without_ids(command("plan")), re.M)
    assert render.read_account() == made
    drawn = re.findall(r"\[\"(.*)\"\]", drawing("account"))
    assert sorted(drawn) == sorted(re.sub("^(pod identity|role|bucket) ", "", each) for each in made)


def test_the_arrows_in_aws_are_the_rights_that_up_gives(aws: Aws, command: Command) -> None:
    command("up")
    names = {each["workgroupArn"]: name for name, each in aws.serverless.workgroups.items()}
    found = {
        (f"pod identity {each['namespace']}/{each['serviceAccount']}", "is", _role(each["roleArn"]))
        for each in aws.identities.all.values()
    }
    found |= {
        (f"namespace {name}", "is, in COPY,", _role(each["defaultIamRoleArn"]))
        for name, each in aws.serverless.namespaces.items()
    }
    for name in ("sparkify-copy", "sparkify-worker", "sparkify-logs"):
        with aws.quietly():
            policy = aws.client("iam").get_role_policy(RoleName=name, PolicyName="access")["PolicyDocument"]
        for each in policy["Statement"]:
            if "s3:GetObject" in each["Action"]:
                how = "writes" if "s3:PutObject" in each["Action"] else "reads"
                buckets = {arn.removeprefix("arn:aws:s3:::").partition("/")[0] for arn in each["Resource"]}
                found |= {(f"role {name}", how, f"bucket {without_ids(bucket)}") for bucket in buckets}
            elif each["Resource"] in names:
                found.add((f"role {name}", "logs in to", f"workgroup {names[each['Resource']]}"))
    assert set(render.REACHES) == found


def _role(arn: str) -> str:
    return f"role {arn.rpartition('/')[2]}"


def test_an_arrow_to_what_is_not_made_is_named() -> None:
    made = [each for each in render.read_account() if each != "workgroup sparkify"]
    with pytest.raises(Incomplete, match=r"^sparkify-aws does not make workgroup sparkify: see REACHES"):
        render.account(made)


def test_each_job_that_delivers_is_drawn_with_what_it_runs_and_what_it_changes() -> None:
    workflow = {
        True: {"workflow_dispatch": None},
        "jobs": {
            "look": {"steps": [{"uses": "x/y@1"}, {"run": ".venv/bin/python -m delivery show staging"}]},
            "write": {
                "needs": "look",
                "steps": [{"run": ".github/scripts/sign-image a\npython -m delivery propose production"}],
            },
        },
    }
    drawn = render.delivery({"again": workflow}).splitlines()
    for line in (
        '  subgraph again["<b>again</b>: by hand"]',
        '    again_look["<b>look</b><br/>delivery show"]',
        '    again_write["<b>write</b><br/>sign-image<br/>delivery propose"]',
        "    again_look --> again_write",
        "  staging --> again_look",
        "  again_write -- pull request --> production",
    ):
        assert line in drawn
    assert set(render.read_workflows()) == {"deliver", "promote"}


def test_a_task_that_is_added_changes_the_drawing() -> None:
    stage = Task("stage_users", ("stage", "users", "--run", "x", "--date", "2018-11-01"), (), 0, (), ())
    load = Task("load", ("load",), ("stage_users",), 0, (), ())
    assert render.tasks([stage, load], []) == (
        "flowchart LR\n"
        "  subgraph sparkify_daily\n"
        '    stage_users["<b>stage_users</b><br/>sparkify stage users --date DAY"]\n'
        '    load["<b>load</b><br/>sparkify load"]\n'
        "    stage_users --> load\n"
        "  end\n"
        "  subgraph sparkify_tables\n"
        "  end\n"
    )


def test_an_object_that_is_added_to_one_profile_is_marked_with_it(
    rendered_objects: dict[str, list[render.Object]],
) -> None:
    more = copy.deepcopy(rendered_objects)
    more["kind"].append(
        {"kind": "Service", "metadata": {"name": "new", "namespace": "sparkify-jobs"}, "spec": {}}
    )
    assert 'jobs_Service["<b>Service</b><br/>new (kind)"]' in render.objects(more)


def test_an_arrow_follows_what_a_pod_names_however_deep() -> None:
    pod = {"spec": {"containers": [{"envFrom": [{"secretRef": {"name": "keys"}}]}]}}
    job = {
        "kind": "CronJob",
        "metadata": {"name": "often"},
        "spec": {"jobTemplate": {"spec": {"template": pod}}},
    }
    secret = {"kind": "Secret", "metadata": {"name": "keys"}}
    elsewhere = {"kind": "Secret", "metadata": {"name": "keys", "namespace": "sparkify-jobs"}}
    drawn = render.objects({"kind": [job, secret, elsewhere]})
    assert "release_CronJob_often --> release_Secret" in drawn
    assert "release_CronJob_often --> jobs_Secret" not in drawn


def test_a_secret_of_a_store_is_drawn_as_what_makes_it_and_what_it_makes() -> None:
    made = {"kind": "ExternalSecret", "metadata": {"name": "keys"}, "spec": {}}
    drawn = render.objects({"eks": [made]})
    assert "release_ExternalSecret --> release_Secret" in drawn


def test_an_import_within_a_function_is_an_arrow(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def run():\n    from sparkify import two\n    import sparkify.three\n")
    (tmp_path / "two.py").write_text("from sparkify.three import thing\nimport json\n")
    (tmp_path / "three.py").write_text("")
    assert render.read_imports(tmp_path) == {"one": {"two", "three"}, "two": {"three"}, "three": set()}


def test_a_module_in_no_group_is_named() -> None:
    imports = render.read_imports()
    with pytest.raises(Incomplete, match=r"^add astray to a group in architecture/render.py$"):
        render.modules({**imports, "astray": set()})
    del imports["trace"]
    with pytest.raises(Incomplete, match=r"^take trace out of its group in architecture/render.py$"):
        render.modules(imports)


def test_a_drawing_without_a_place_is_noticed() -> None:
    with pytest.raises(Incomplete, match="has places for"):
        render.rendered("no place", {"tasks": "flowchart LR\n"})


def test_a_document_that_is_out_of_date_fails_the_check_and_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "architecture.md"
    document.write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(render, "DOCUMENT", document)
    drawn = {name: f"flowchart LR\n  {name}\n" for name in re.findall("from the code: ([a-z]+)", TEXT)}
    monkeypatch.setattr(render, "drawings", lambda: drawn)
    monkeypatch.setattr(render.chart, "program", lambda: "helm")
    assert render.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/architecture.md is out of date: make architecture\n"
    assert document.read_text(encoding="utf-8") == TEXT
    assert render.main([]) == 0
    assert "  objects\n```" in document.read_text(encoding="utf-8")
    assert render.main(["--check"]) == 0


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)", TEXT))
def test_each_file_that_is_linked_is_there(link: str) -> None:
    assert (DOCUMENT.parent / link).exists()
