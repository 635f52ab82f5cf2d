"""Storage as clients see it: statistics, retention, protection, audits and recounts, and who may."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, text

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.storage import service
from cuepoint.features.storage.audit import Found
from cuepoint.features.storage.models import FindingKind
from cuepoint.features.users.models import User
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_user, make_viewer, viewer_of
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of

FIELDS = """totalBytes fileCount byKind { kind fileCount sizeBytes } byMonth { month fileCount sizeBytes }
  largest(first: 2) { name kind sizeBytes video { title } }
  reclaimable { sizeBytes trashBytes removalBytes uploadBytes }"""
OF_PROJECT = f"query ($id: ID!) {{ project(id: $id) {{ storageStats {{ {FIELDS} byProject {{ sizeBytes }} }} }} }}"
OF_ALL = f"query {{ storageStats {{ {FIELDS} byProject(first: 5) {{ project {{ name }} fileCount sizeBytes }} }} }}"
OF_MANY = f"query {{ projects {{ nodes {{ storageStats {{ {FIELDS} }} }} }} }}"
SET = """mutation ($input: SetRetentionInput!) { setRetention(input: $input) {
  rules { target maxAgeDays } errors { code field } } }"""
RULES = "query ($id: ID!) { retentionRules(projectId: $id) { target maxAgeDays } }"
PREVIEW = """query ($id: ID!, $rules: [RetentionRuleInput!], $first: Int! = 25) {
  retentionPreview(projectId: $id, rules: $rules, first: $first) {
    totalCount nodes { target sizeBytes file { name kind video { title } } } } }"""
PROTECT = """mutation ($input: SetProtectionInput!) { setProtection(input: $input) {
  video { id isProtected } clip { id isProtected } errors { code field } } }"""
AUDIT = "mutation ($input: AuditStorageInput!) { auditStorage(input: $input) { job { id kind } errors { code } } }"
RECOUNT = "mutation ($input: RecountStorageInput!) { recountStorage(input: $input) { job { id kind } } }"
FINDINGS = """query ($job: ID!, $kind: FindingKind, $first: Int! = 25, $after: String) {
  storageFindings(jobId: $job, kind: $kind, first: $first, after: $after) {
    totalCount nodes { kind key sizeBytes detail isRepaired } pageInfo { endCursor } } }"""


@pytest.fixture
async def owner(db: Database) -> User:
    return await make_user(db)


@pytest.fixture
async def project(db: Database, owner: User) -> Project:
    return await make_project(db, owner_id=owner.id)


@pytest.fixture
def api(db: Database, settings: Settings, owner: User) -> Api:
    return api_of(db, settings, viewer_of(owner))


@pytest.fixture
async def admin(db: Database, settings: Settings) -> Api:
    return api_of(db, settings, await make_viewer(db, is_admin=True))


async def audit_with_findings(admin: Api, db: Database) -> str:
    """The id of an audit that found three things."""
    job_id: str = (await admin.data(AUDIT, {"input": {}}))["auditStorage"]["job"]["id"]
    async with db.write() as session:
        job = await session.scalar(select(Job.id))
        assert job is not None
        kinds = [FindingKind.FILE_WITHOUT_ROW, FindingKind.FILE_WITHOUT_ROW, FindingKind.SIZE_MISMATCH]
        findings = [Found(kind, f"Number {n}.", f"a/{n}", n) for n, kind in enumerate(kinds)]
        await service.record_findings(session, job, findings)
    return job_id


class TestStorageStats:
    async def test_of_a_project(self, api: Api, db: Database, project: Project) -> None:
        video = await make_video(db, project, title="Film")
        await make_clip(db, video, is_rendered=True)

        stats = (await api.data(OF_PROJECT, {"id": encode_id("Project", project.id)}))["project"]["storageStats"]

        month = f"{video.created_at:%Y-%m}"
        assert (stats["totalBytes"], stats["fileCount"], stats["byProject"]) == (1100, 2, [])
        assert stats["byKind"] == [
            {"kind": "UPLOADS", "fileCount": 1, "sizeBytes": 1000},
            {"kind": "EXPORTS", "fileCount": 1, "sizeBytes": 100},
        ]
        assert stats["byMonth"] == [{"month": month, "fileCount": 2, "sizeBytes": 1100}]
        assert stats["largest"][0] == {
            "name": "stories",
            "kind": "UPLOADS",
            "sizeBytes": 1000,
            "video": {"title": "Film"},
        }
        assert stats["reclaimable"] == {"sizeBytes": 0, "trashBytes": 0, "removalBytes": 0, "uploadBytes": 0}

    async def test_of_an_empty_project_are_zero(self, api: Api, project: Project) -> None:
        stats = (await api.data(OF_PROJECT, {"id": encode_id("Project", project.id)}))["project"]["storageStats"]

        assert (stats["totalBytes"], stats["byKind"], stats["byMonth"], stats["largest"]) == (0, [], [], [])

    async def test_of_the_instance_are_for_administrators(
        self, api: Api, admin: Api, db: Database, project: Project
    ) -> None:
        await make_video(db, project)
        await make_video(db, await make_project(db, name="Other"))

        stats = (await admin.data(OF_ALL))["storageStats"]

        assert (stats["totalBytes"], stats["fileCount"]) == (2000, 2)
        assert {entry["project"]["name"]: entry["sizeBytes"] for entry in stats["byProject"]} == {
            "Archive": 1000,
            "Other": 1000,
        }
        assert await api.codes(OF_ALL) == ["FORBIDDEN"]

    @pytest.mark.parametrize("first", [0, 101])
    async def test_refuse_another_length_than_1_to_100(self, api: Api, project: Project, first: int) -> None:
        query = OF_PROJECT.replace("largest(first: 2)", f"largest(first: {first})")

        assert await api.codes(query, {"id": encode_id("Project", project.id)}) == ["BAD_USER_INPUT"]

    async def test_take_as_many_statements_for_one_project_as_for_many(
        self, api: Api, db: Database, owner: User, project: Project
    ) -> None:
        await make_video(db, project)
        one = await api.statements(OF_MANY)
        for _ in range(4):
            await make_video(db, await make_project(db, owner_id=owner.id))

        assert await api.statements(OF_MANY) == one


class TestRetention:
    async def test_is_set_read_and_previewed(self, api: Api, db: Database, project: Project) -> None:
        video = await make_video(db, project, title="Film")
        await make_clip(db, video, is_rendered=True)
        async with db.write() as session:
            await session.execute(text("update stored_files set created_at = now() - interval '3 days'"))
        project_id = encode_id("Project", project.id)
        rules = [{"target": "VIDEOS", "maxAgeDays": 2}, {"target": "CLIPS", "maxAgeDays": 5}]

        tried = (await api.data(PREVIEW, {"id": project_id, "rules": rules}))["retentionPreview"]
        answer = (await api.data(SET, {"input": {"projectId": project_id, "rules": rules}}))["setRetention"]
        saved = (await api.data(PREVIEW, {"id": project_id}))["retentionPreview"]

        assert (
            tried
            == saved
            == {
                "totalCount": 1,
                "nodes": [
                    {
                        "target": "VIDEOS",
                        "sizeBytes": 1100,
                        "file": {"name": "stories", "kind": "UPLOADS", "video": {"title": "Film"}},
                    }
                ],
            }
        )
        assert sorted(answer["rules"], key=str) == sorted(rules, key=str)
        assert sorted((await api.data(RULES, {"id": project_id}))["retentionRules"], key=str) == sorted(rules, key=str)

    async def test_an_editor_may_look_and_a_stranger_may_not(
        self, db: Database, settings: Settings, project: Project
    ) -> None:
        editor, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, editor.user_id, ProjectRole.EDITOR)
        project_id = encode_id("Project", project.id)
        given = {"input": {"projectId": project_id, "rules": []}}

        assert await api_of(db, settings, editor).codes(SET, given) == ["FORBIDDEN"]
        assert (await api_of(db, settings, editor).data(RULES, {"id": project_id}))["retentionRules"] == []
        refused = (await api_of(db, settings, stranger).data(SET, given))["setRetention"]
        assert [error["code"] for error in refused["errors"]] == ["NOT_FOUND"]
        assert await api_of(db, settings, stranger).codes(RULES, {"id": project_id}) == ["NOT_FOUND"]


class TestSetProtection:
    async def test_of_a_video_and_of_a_clip(self, api: Api, db: Database, project: Project) -> None:
        video = await make_video(db, project)
        clip = await make_clip(db, video, is_rendered=True)

        async def protect(id: str, is_protected: bool) -> dict[str, Any]:
            given = {"input": {"id": id, "isProtected": is_protected}}
            return (await api.data(PROTECT, given))["setProtection"]

        video_id, clip_id = encode_id("Video", video.id), encode_id("Clip", clip.id)
        assert (await protect(video_id, True))["video"] == {"id": video_id, "isProtected": True}
        assert (await protect(video_id, False))["video"] == {"id": video_id, "isProtected": False}
        assert (await protect(clip_id, True))["clip"] == {"id": clip_id, "isProtected": True}
        assert (await protect("clip_nonsense", True))["errors"] == [{"code": "NOT_FOUND", "field": ["id"]}]

    async def test_a_viewer_and_a_stranger_may_not(self, db: Database, settings: Settings, project: Project) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        video = await make_video(db, project)
        clip = await make_clip(db, video)

        for node in (encode_id("Video", video.id), encode_id("Clip", clip.id)):
            given = {"input": {"id": node, "isProtected": True}}
            assert await api_of(db, settings, member).codes(PROTECT, given) == ["FORBIDDEN"]
            refused = (await api_of(db, settings, stranger).data(PROTECT, given))["setProtection"]
            assert [error["code"] for error in refused["errors"]] == ["NOT_FOUND"]

        async with db.read() as session:
            protected = (
                await session.execute(text("select is_protected from videos union all select is_protected from clips"))
            ).scalars()
            assert list(protected) == [False, False]


class TestAudits:
    async def test_are_jobs_of_administrators(self, api: Api, admin: Api, db: Database) -> None:
        given = {"input": {"repair": False, "verifyHashes": True}}

        first = (await admin.data(AUDIT, given))["auditStorage"]
        again = (await admin.data(AUDIT, given))["auditStorage"]
        recount = (await admin.data(RECOUNT, {"input": {}}))["recountStorage"]

        assert (first["job"]["kind"], first["job"]["id"]) == ("STORAGE_AUDIT", again["job"]["id"])
        assert recount["job"]["kind"] == "STORAGE_RECOUNT"
        assert await api.codes(AUDIT, given) == ["FORBIDDEN"]
        assert await api.codes(RECOUNT, {"input": {}}) == ["FORBIDDEN"]
        async with db.read() as session:
            rows = {row.kind: row.args for row in await session.scalars(select(Job))}
        assert rows == {
            JobKind.STORAGE_AUDIT: {"repair": False, "hashes": True},
            JobKind.STORAGE_RECOUNT: {},
        }

    async def test_show_what_they_found_page_by_page(self, api: Api, admin: Api, db: Database) -> None:
        job_id = await audit_with_findings(admin, db)

        first = (await admin.data(FINDINGS, {"job": job_id, "first": 2}))["storageFindings"]
        after = {"job": job_id, "after": first["pageInfo"]["endCursor"]}
        second = (await admin.data(FINDINGS, after))["storageFindings"]
        sizes = (await admin.data(FINDINGS, {"job": job_id, "kind": "SIZE_MISMATCH"}))["storageFindings"]

        assert [node["key"] for node in first["nodes"] + second["nodes"]] == ["a/0", "a/1", "a/2"]
        assert (first["totalCount"], sizes["totalCount"]) == (3, 1)
        assert first["nodes"][0] == {
            "kind": "FILE_WITHOUT_ROW",
            "key": "a/0",
            "sizeBytes": 0,
            "detail": "Number 0.",
            "isRepaired": False,
        }
        assert await api.codes(FINDINGS, {"job": job_id}) == ["FORBIDDEN"]

    async def test_statements_do_not_grow_with_the_page(self, admin: Api, db: Database) -> None:
        job_id = await audit_with_findings(admin, db)

        one, three = [await admin.statements(FINDINGS, {"job": job_id, "first": first}) for first in (1, 3)]

        assert one == three == 1
