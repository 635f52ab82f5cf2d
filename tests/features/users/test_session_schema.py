"""Sessions and narrow keys as clients see them."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.users import service
from cuepoint.features.users.models import Session
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Scope, Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.users import PASSWORD, make_user, make_viewer, sign_in
from tests.support.graphql import Api, api_of

TOKENS = "tokens { accessToken accessExpiresAt refreshToken sessionExpiresAt }"
LOGIN = f"mutation ($input: LoginInput!) {{ login(input: $input) {{ {TOKENS} user {{ email }} errors {{ code }} }} }}"
REFRESH = (
    f"mutation ($input: RefreshSessionInput!) {{ refreshSession(input: $input) {{ {TOKENS} errors {{ code }} }} }}"
)
SESSIONS = "{ sessions(first: 5) { totalCount nodes { id isCurrent ip } } }"
LOGOUT = "mutation ($input: LogoutInput!) { logout(input: $input) { changed errors { code field } } }"
CREATE_KEY = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  apiKey { id scopes projectIds } secret errors { code field } } }"""
ROTATE = """mutation ($input: RotateApiKeyInput!) { rotateApiKey(input: $input) {
  apiKey { id name rotatedAt } oldApiKey { id rotatedAt } secret errors { code } } }"""
UPDATE = "mutation ($input: UpdateUserInput!) { updateUser(input: $input) { user { name } errors { code field } } }"
CREATE_USER = """mutation ($input: CreateUserInput!) { createUser(input: $input) {
  user { hasPassword } errors { code field } } }"""
CREATE_PROJECT = 'mutation { createProject(input: {name: "A"}) { project { id viewerRole } errors { code } } }'


@pytest.fixture
def nobody(db: Database, settings: Settings) -> Api:
    return api_of(db, settings, None)


class TestLogin:
    async def test_needs_no_credential_and_lends_one(self, db: Database, settings: Settings, nobody: Api) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)

        lent = (await nobody.data(LOGIN, {"input": {"email": "ADA@example.org", "password": PASSWORD}}))["login"]
        again = await nobody.data(REFRESH, {"input": {"refreshToken": lent["tokens"]["refreshToken"]}})

        assert (lent["user"], lent["errors"]) == ({"email": "ada@example.org"}, [])
        async with db.read() as session:
            viewer = await service.authenticate(session, again["refreshSession"]["tokens"]["accessToken"])
        seen = await api_of(db, settings, viewer).data(SESSIONS)
        assert viewer.session_id is not None
        node = {"id": encode_id("Session", viewer.session_id), "isCurrent": True, "ip": None}
        assert seen["sessions"] == {"totalCount": 1, "nodes": [node]}

    async def test_aliases_of_one_document_count_one_by_one(self, db: Database, nobody: Api) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        one = 'login(input: {email: "ada@example.org", password: "guess%d"}) { errors { code retryAfterSeconds } }'
        document = " ".join(f"a{number}: {one % number}" for number in range(8))

        answers = (await nobody.data(f"mutation {{ {document} }}")).values()

        errors = [answer["errors"][0] for answer in answers]
        assert [error["code"] for error in errors] == ["INVALID_CREDENTIALS"] * 5 + ["SIGN_IN_LOCKED"] * 3
        assert all(20 < error["retryAfterSeconds"] <= 30 for error in errors[5:])

    async def test_a_second_use_of_a_refresh_token_is_told(self, db: Database, settings: Settings, nobody: Api) -> None:
        user = await make_user(db, password=PASSWORD)
        tokens = await sign_in(db, settings, user.email)
        given = {"input": {"refreshToken": tokens.refresh}}

        codes = [(await nobody.data(REFRESH, given))["refreshSession"]["errors"] for _ in range(2)]

        assert codes == [[], [{"code": "SESSION_ENDED"}]]


class TestSessions:
    async def test_statements_do_not_grow_with_the_page(self, db: Database, settings: Settings) -> None:
        user = await make_user(db, password=PASSWORD)
        tokens = [await sign_in(db, settings, user.email) for _ in range(3)]
        api = api_of(db, settings, Viewer(user.id, is_admin=False, session_id=tokens[0].session.id))

        assert await api.statements(SESSIONS.replace("5", "1")) == await api.statements(SESSIONS) == 1

    async def test_logout_of_anothers_is_not_found(self, db: Database, settings: Settings) -> None:
        user = await make_user(db, password=PASSWORD)
        tokens = await sign_in(db, settings, user.email)
        stranger = api_of(db, settings, await make_viewer(db))

        given = {"input": {"sessionId": encode_id("Session", tokens.session.id)}}
        refused = (await stranger.data(LOGOUT, given))["logout"]

        assert refused == {"changed": None, "errors": [{"code": "NOT_FOUND", "field": ["sessionId"]}]}
        async with db.read() as session:
            live = select(func.count()).select_from(Session).where(Session.ended_at.is_(None))
            assert (await session.execute(live)).scalar_one() == 1


class TestNarrowKeys:
    async def test_show_what_they_may_do(self, db: Database, settings: Settings) -> None:
        viewer = await make_viewer(db)
        project = encode_id("Project", (await make_project(db, owner_id=viewer.user_id)).id)
        given = {"name": "player", "scopes": ["WRITE"], "projectIds": [project]}

        made = (await api_of(db, settings, viewer).data(CREATE_KEY, {"input": given}))["createApiKey"]

        assert made["apiKey"]["scopes"] == ["READ", "WRITE"]
        assert made["apiKey"]["projectIds"] == [project]

    async def test_name_no_project_that_their_maker_cannot_see(self, db: Database, settings: Settings) -> None:
        viewer = await make_viewer(db)
        api, own = api_of(db, settings, viewer), await make_project(db, owner_id=viewer.user_id)
        hidden = await make_project(db)

        answers = []
        for key in (hidden.id, uuid7()):
            projects = [encode_id("Project", own.id), encode_id("Project", key)]
            answers.append(await api.data(CREATE_KEY, {"input": {"name": "wide", "projectIds": projects}}))

        refused = {"apiKey": None, "secret": None, "errors": [{"code": "NOT_FOUND", "field": ["projectIds"]}]}
        assert answers == [{"createApiKey": refused}] * 2
        assert (await api.data("{ apiKeys { nodes { id } } }"))["apiKeys"]["nodes"] == []

    async def test_without_scopes_all_of_them(self, db: Database, settings: Settings) -> None:
        api = api_of(db, settings, await make_viewer(db))

        made = (await api.data(CREATE_KEY, {"input": {"name": "all"}}))["createApiKey"]

        assert (made["apiKey"]["scopes"], made["apiKey"]["projectIds"]) == (["READ", "WRITE", "MANAGE"], None)

    async def test_lend_no_higher_role_than_their_scope(self, db: Database, settings: Settings) -> None:
        owner = await make_viewer(db)
        project = await make_project(db, owner_id=owner.user_id)
        query = "query ($id: ID!) { project(id: $id) { viewerRole } }"

        roles = []
        for scope in Scope:
            api = api_of(db, settings, Viewer(owner.user_id, is_admin=False, scope=scope))
            roles.append((await api.data(query, {"id": encode_id("Project", project.id)}))["project"]["viewerRole"])

        assert roles == ["VIEWER", "EDITOR", "OWNER"]

    async def test_one_of_some_projects_makes_no_new_one(self, db: Database, settings: Settings) -> None:
        owner = await make_viewer(db)
        project = await make_project(db, owner_id=owner.user_id)
        narrow = Viewer(owner.user_id, is_admin=False, project_ids=frozenset({project.id}))

        assert await api_of(db, settings, narrow).codes(CREATE_PROJECT) == ["FORBIDDEN"]

    async def test_rotation_gives_the_new_secret_once(self, db: Database, settings: Settings) -> None:
        api = api_of(db, settings, await make_viewer(db))
        key = (await api.data(CREATE_KEY, {"input": {"name": "all"}}))["createApiKey"]["apiKey"]["id"]

        rotated = (await api.data(ROTATE, {"input": {"id": key}}))["rotateApiKey"]

        assert rotated["oldApiKey"]["id"] == key
        assert (rotated["oldApiKey"]["rotatedAt"] is None, rotated["apiKey"]["rotatedAt"]) == (False, None)
        async with db.read() as session:
            await service.authenticate(session, rotated["secret"])

    async def test_an_overlap_beyond_all_time_is_refused(self, db: Database, settings: Settings) -> None:
        api = api_of(db, settings, await make_viewer(db))
        key = (await api.data(CREATE_KEY, {"input": {"name": "all"}}))["createApiKey"]["apiKey"]["id"]

        refused = (await api.data(ROTATE, {"input": {"id": key, "overlapSeconds": 1e300}}))["rotateApiKey"]

        assert (refused["secret"], refused["errors"]) == (None, [{"code": "BAD_USER_INPUT"}])


class TestUsers:
    async def test_a_poor_password_makes_no_user(self, db: Database, settings: Settings) -> None:
        admin = api_of(db, settings, await make_viewer(db, is_admin=True))
        given = {"email": "ada@example.org", "name": "Ada"}

        poor = (await admin.data(CREATE_USER, {"input": {**given, "password": "short"}}))["createUser"]
        good = (await admin.data(CREATE_USER, {"input": {**given, "password": PASSWORD}}))["createUser"]

        assert poor == {"user": None, "errors": [{"code": "BAD_USER_INPUT", "field": ["password"]}]}
        assert good == {"user": {"hasPassword": True}, "errors": []}

    async def test_people_rename_themselves(self, db: Database, settings: Settings) -> None:
        viewer = await make_viewer(db)
        api = api_of(db, settings, viewer)
        given = {"id": encode_id("User", viewer.user_id)}

        assert (await api.data(UPDATE, {"input": {**given, "name": "Ada"}}))["updateUser"]["user"] == {"name": "Ada"}
        assert await api.codes(UPDATE, {"input": {**given, "isAdmin": True}}) == ["FORBIDDEN"]
