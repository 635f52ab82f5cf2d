"""The audit log and deleteUser as clients see them."""

from __future__ import annotations

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.audit.models import AuditEvent
from cuepoint.features.audit.service import AuditAction, record
from cuepoint.features.projects.models import ProjectRole
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_user, make_viewer, viewer_of
from tests.support.graphql import api_of

EVENTS = """query ($filter: AuditFilterInput, $first: Int!, $after: String) {
  auditEvents(filter: $filter, first: $first, after: $after) { totalCount pageInfo { endCursor hasNextPage } nodes {
    action nodeType nodeId before after actor { email } project { name } apiKeyId } } }"""
ADD_MEMBER = "mutation ($input: AddMemberInput!) { addMember(input: $input) { errors { code } } }"
DELETE_USER = """mutation ($input: DeleteUserInput!) { deleteUser(input: $input) {
  deletedId projectCount videoCount jobs { kind } errors { code field message } } }"""


class TestAuditEvents:
    async def test_an_owner_sees_who_became_a_member(self, db: Database, settings: Settings) -> None:
        owner, user = await make_user(db, email="owner@example.org"), await make_user(db)
        project = await make_project(db, owner_id=owner.id, name="Whales")
        api = api_of(db, settings, viewer_of(owner))
        project_id = encode_id("Project", project.id)
        for role in ("VIEWER", "EDITOR"):
            await api.data(ADD_MEMBER, {"input": {"projectId": project_id, "email": user.email, "role": role}})

        events = (await api.data(EVENTS, {"filter": {"projectId": project_id}, "first": 5}))["auditEvents"]

        changed, added = events["nodes"]
        assert (changed["action"], added["action"]) == ("MEMBER_CHANGED", "MEMBER_ADDED")
        assert (changed["before"], changed["after"]) == (
            {"role": "VIEWER"},
            {"role": "EDITOR", "userId": encode_id("User", user.id)},
        )
        assert (added["nodeType"], added["nodeId"]) == ("Project", project_id)
        assert (added["actor"], added["project"]) == ({"email": "owner@example.org"}, {"name": "Whales"})

    async def test_pages_do_not_cost_more_statements(self, db: Database, settings: Settings) -> None:
        admin = await make_viewer(db, is_admin=True)
        project = await make_project(db)
        async with db.write() as session:
            for number in range(4):
                after = {"number": number}
                await record(session, admin, AuditAction.CREATED, "Clip", uuid7(), project_id=project.id, after=after)
        api = api_of(db, settings, admin)

        first = (await api.data(EVENTS, {"first": 1}))["auditEvents"]
        second = (await api.data(EVENTS, {"first": 1, "after": first["pageInfo"]["endCursor"]}))["auditEvents"]

        assert [page["nodes"][0]["after"] for page in (first, second)] == [{"number": 3}, {"number": 2}]
        assert await api.statements(EVENTS, {"first": 1}) == await api.statements(EVENTS, {"first": 4}) == 3

    async def test_one_object_is_found_by_its_id(self, db: Database, settings: Settings) -> None:
        admin, key = await make_viewer(db, is_admin=True), uuid7()
        async with db.write() as session:
            await record(session, admin, AuditAction.DELETED, "ApiKey", key)
            await record(session, admin, AuditAction.DELETED, "Clip", key)
        api, given = api_of(db, settings, admin), {"filter": {"nodeId": encode_id("ApiKey", key)}, "first": 5}

        nodes = (await api.data(EVENTS, given))["auditEvents"]["nodes"]

        assert [node["nodeId"] for node in nodes] == [encode_id("ApiKey", key)]

    async def test_what_names_other_objects_are_global_ids(self, db: Database, settings: Settings) -> None:
        admin = await make_viewer(db, is_admin=True)
        key, other = uuid7(), uuid7()
        told = {"userId": admin.user_id, "projectIds": [other], "successorId": key, "video": None, "name": key.hex}
        async with db.write() as session:
            await record(session, admin, AuditAction.UPDATED, "ApiKey", key, after=told)

        [event] = (await api_of(db, settings, admin).data(EVENTS, {"first": 1}))["auditEvents"]["nodes"]

        assert event["after"] == {
            "userId": encode_id("User", admin.user_id),
            "projectIds": [encode_id("Project", other)],
            "successorId": encode_id("ApiKey", key),
            "video": None,
            "name": key.hex,
        }

    async def test_nonsense_is_refused(self, db: Database, settings: Settings) -> None:
        admin = api_of(db, settings, await make_viewer(db, is_admin=True))

        for nonsense in ("user_x", "", "x" * 1_000):
            refused = await admin.execute(EVENTS, {"filter": {"nodeId": nonsense}, "first": 1})
            assert [error["extensions"]["code"] for error in refused["errors"]] == ["NOT_FOUND"]
            assert refused["errors"][0]["message"].startswith("No such object, ")

    async def test_an_action_of_a_later_version_is_other(self, db: Database, settings: Settings) -> None:
        admin = await make_viewer(db, is_admin=True)
        async with db.write() as session:
            await record(session, admin, AuditAction.CREATED, "Clip", uuid7())
            event = (await session.execute(AuditEvent.__table__.select())).one()
            values = {**event._mapping, "id": uuid7(), "action": "TELEPORTED"}
            await session.execute(AuditEvent.__table__.insert().values(values))

        nodes = (await api_of(db, settings, admin).data(EVENTS, {"first": 5}))["auditEvents"]["nodes"]

        assert [node["action"] for node in nodes] == ["OTHER", "CREATED"]


class TestDeleteUser:
    async def test_a_dry_run_then_the_real_one(self, db: Database, settings: Settings) -> None:
        admin, user, other = await make_viewer(db, is_admin=True), await make_user(db), await make_user(db)
        project = await make_project(db, owner_id=user.id)
        await make_member(db, project, other.id, ProjectRole.EDITOR)
        api, given = api_of(db, settings, admin), {"id": encode_id("User", user.id)}

        told = (await api.data(DELETE_USER, {"input": {**given, "dryRun": True}}))["deleteUser"]
        refused = (await api.data(DELETE_USER, {"input": given}))["deleteUser"]
        done = (await api.data(DELETE_USER, {"input": {**given, "cascade": True}}))["deleteUser"]

        assert told == {"deletedId": None, "projectCount": 1, "videoCount": 0, "jobs": [], "errors": []}
        assert [error["code"] for error in refused["errors"]] == ["OWNS_PROJECTS"]
        assert done["deletedId"] == given["id"]
        assert done["jobs"] == [{"kind": "PROJECT_DELETION"}]

    async def test_whose_answer_was_lost_is_answered_again(self, db: Database, settings: Settings) -> None:
        user = await make_user(db)
        await make_project(db, owner_id=user.id)
        api = api_of(db, settings, await make_viewer(db, is_admin=True))
        given = {"input": {"id": encode_id("User", user.id), "cascade": True, "idempotencyKey": "k1"}}
        query = DELETE_USER.replace("errors", "replayed errors")

        first, again = [(await api.data(query, given))["deleteUser"] for _ in range(2)]

        assert again == {**first, "replayed": True}
        assert again["jobs"] == [{"kind": "PROJECT_DELETION"}]
