"""The player page and its sign-in: what the code is good for, what the cookie opens, and for whom it does not."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, update

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode, UnauthenticatedError
from cuepoint.features.users.credentials import authenticate
from cuepoint.features.users.models import ApiKey, PageSession
from cuepoint.features.users.page_sessions import create_page_code, exchange_page_code
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import NOBODY, Share, Viewer
from tests.support.builders.projects import make_project
from tests.support.web import BASE, Web, errors_of, make_token, running_web

OWN = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
ME = {"query": "{ me }"}


async def code_of(db: Database, **facts: Any) -> tuple[str, Viewer]:
    """A fresh code, and whose."""
    viewer, _ = await make_token(db, **facts)
    async with db.write() as session:
        code, _ = await create_page_code(session, viewer)
    return code, viewer


def global_id(viewer: Viewer) -> str:
    """The viewer's own id, as clients know it."""
    return encode_id("User", viewer.user_id)


async def sign_in(web: Web, code: object, headers: dict[str, str] = OWN) -> Any:
    """POST the code as the page does."""
    return await web.client.post("/page/session", json={"code": code}, headers=headers)


async def ask(web: Web, headers: dict[str, str] = OWN, **request: Any) -> Any:
    """A GraphQL request as the page sends it: the client keeps the cookie."""
    return await web.client.post("/graphql", json=ME, headers=headers, **request)


async def rows(db: Database) -> int:
    """Page sessions and codes that are kept."""
    async with db.read() as session:
        return (await session.execute(select(func.count()).select_from(PageSession))).scalar_one()


class TestPage:
    @pytest.mark.parametrize("path", ["/v/video_0", "/v/", "/v/nonsense"])
    async def test_is_the_same_for_everybody(self, web: Web, path: str) -> None:
        response = await web.client.get(path)

        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["content-security-policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        assert response.headers["referrer-policy"] == "no-referrer"

    async def test_holds_neither_code_nor_style_in_itself(self, web: Web) -> None:
        html = (await web.client.get("/v/video_0")).text

        assert "style=" not in html
        assert "<style" not in html
        assert html.count("<script") == 1
        assert "http://" not in html
        assert "https://" not in html

    @pytest.mark.parametrize(
        "name", ["main.js", "api.js", "clips.js", "player.js", "queries.js", "text.js", "time.js", "timeline.js"]
    )
    async def test_serves_its_parts(self, web: Web, name: str) -> None:
        response = await web.client.get(f"/page/{name}")

        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/javascript")

    async def test_media_may_come_from_where_urls_lead(self, settings: Settings, db: Database) -> None:
        elsewhere = settings.model_copy(
            update={"public_url": "https://video.example.org/x", "s3_public_endpoint": "https://s3.example.org"}
        )
        async with running_web(elsewhere, db) as web:
            policy = (await web.client.get("/v/video_0")).headers["content-security-policy"]

        assert "media-src 'self' https://s3.example.org https://video.example.org;" in policy
        assert "connect-src 'self';" in policy


class TestSignIn:
    async def test_the_cookie_opens_the_api(self, web: Web, db: Database) -> None:
        code, viewer = await code_of(db)

        response = await sign_in(web, code)

        assert response.status_code == 200
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("cuepoint_page=cpp_")
        assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
        assert "Secure" not in cookie
        assert (await ask(web)).json()["data"]["me"] == str(viewer.user_id)

    async def test_behind_tls_the_cookie_is_secure(self, web: Web, db: Database) -> None:
        code, _ = await code_of(db)
        headers = {"Origin": "https://testserver", "Sec-Fetch-Site": "same-origin"}

        response = await web.client.post("https://testserver/page/session", json={"code": code}, headers=headers)

        assert "Secure" in response.headers["set-cookie"]

    async def test_a_code_is_good_once(self, web: Web, db: Database) -> None:
        code, _ = await code_of(db)
        await sign_in(web, code)

        again = await sign_in(web, code)

        assert (again.status_code, errors_of(again)[0][0]) == (401, "UNAUTHENTICATED")
        assert "set-cookie" not in again.headers

    async def test_a_question_tells_whom_a_code_would_sign_in_and_uses_nothing_up(self, web: Web, db: Database) -> None:
        (mine, me), (foreign, other) = await code_of(db), await code_of(db)
        await sign_in(web, mine)
        before = web.client.cookies["cuepoint_page"]

        asked = [
            await web.client.post("/page/session", json={"code": foreign, "dryRun": True}, headers=OWN)
            for _ in range(2)
        ]

        body = asked[1].json()
        assert [answer.status_code for answer in asked] == [200, 200]
        assert (body["user"]["id"], body["current"]["id"]) == (global_id(other), global_id(me))
        assert set(body["user"]) == {"id", "name", "email"}
        assert "set-cookie" not in asked[1].headers
        assert web.client.cookies["cuepoint_page"] == before
        assert (await sign_in(web, foreign)).status_code == 200

    async def test_a_question_about_a_link_tells_who_is_signed_in_and_nothing_of_the_link(
        self, web: Web, db: Database
    ) -> None:
        code, viewer = await code_of(db)
        nobody = await web.client.post("/page/session", json={"share": "cps_x", "dryRun": True}, headers=OWN)
        await sign_in(web, code)

        somebody = await web.client.post("/page/session", json={"share": "cps_x", "dryRun": True}, headers=OWN)

        assert nobody.json() == {"user": None, "current": None}
        assert (somebody.json()["user"], somebody.json()["current"]["id"]) == (None, global_id(viewer))

    async def test_a_question_is_the_pages_own(self, web: Web, db: Database) -> None:
        code, _ = await code_of(db)

        foreign = await web.client.post("/page/session", json={"code": code, "dryRun": True}, headers={})
        used_up = await web.client.post("/page/session", json={"code": "cpc_x", "dryRun": True}, headers=OWN)
        vague = await web.client.post("/page/session", json={"code": code, "dryRun": "yes"}, headers=OWN)

        assert [answer.status_code for answer in (foreign, used_up, vague)] == [403, 401, 400]

    async def test_a_code_is_good_for_five_minutes(self, web: Web, db: Database) -> None:
        code, _ = await code_of(db)
        async with db.write() as session:
            await session.execute(update(PageSession).values(expires_at=func.now()))

        assert (await sign_in(web, code)).status_code == 401

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": BASE, "Sec-Fetch-Site": "same-site"}, 403),
            ({"Origin": "null"}, 403),
            ({}, 403),
            ({"Origin": BASE}, 200),
        ],
        ids=["another site", "a sibling", "a sandbox", "no browser", "an old browser"],
    )
    async def test_only_the_page_signs_in(self, web: Web, db: Database, headers: dict[str, str], status: int) -> None:
        code, _ = await code_of(db)

        assert (await sign_in(web, code, headers)).status_code == status

    @pytest.mark.parametrize("code", [None, 7, "ü", "x" * 5000], ids=["null", "number", "not ascii", "too long"])
    async def test_nonsense_is_refused(self, web: Web, code: object) -> None:
        assert (await sign_in(web, code)).status_code in {400, 413}

    async def test_a_form_cannot_be_sent(self, web: Web) -> None:
        response = await web.client.post("/page/session", data={"code": "x"}, headers=OWN)

        assert response.status_code == 415


class TestCookie:
    @pytest.mark.parametrize(
        "headers",
        [{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {}],
        ids=["another site", "a sandbox", "no origin"],
    )
    async def test_counts_for_the_page_alone(self, web: Web, db: Database, headers: dict[str, str]) -> None:
        code, _ = await code_of(db)
        await sign_in(web, code)

        response = await ask(web, headers)

        assert errors_of(response)[0][0] == "UNAUTHENTICATED"

    async def test_does_not_count_for_get(self, web: Web, db: Database) -> None:
        code, _ = await code_of(db)
        await sign_in(web, code)

        response = await web.client.get("/graphql", params=ME, headers={**OWN, "Accept": "application/json"})

        assert errors_of(response)[0][0] == "UNAUTHENTICATED"

    async def test_a_bearer_token_goes_before_it(self, web: Web, db: Database) -> None:
        code, _ = await code_of(db)
        await sign_in(web, code)
        other, secret = await make_token(db)

        response = await ask(web, {**OWN, "Authorization": f"Bearer {secret}"})

        assert response.json()["data"]["me"] == str(other.user_id)

    async def test_ends_with_the_key_that_asked(self, web: Web, db: Database) -> None:
        code, _ = await code_of(db)
        await sign_in(web, code)
        async with db.write() as session:
            await session.execute(update(ApiKey).values(revoked_at=func.now()))

        response = await ask(web)

        assert errors_of(response)[0][0] == "UNAUTHENTICATED"

    async def test_ends_after_its_time(self, web: Web, db: Database) -> None:
        code, _ = await code_of(db)
        await sign_in(web, code)
        async with db.write() as session:
            await session.execute(update(PageSession).values(expires_at=func.now()))

        assert errors_of(await ask(web))[0][0] == "UNAUTHENTICATED"

    async def test_signing_out_ends_it(self, web: Web, db: Database) -> None:
        code, _ = await code_of(db)
        await sign_in(web, code)
        token = web.client.cookies["cuepoint_page"]

        response = await web.client.delete("/page/session", headers=OWN)

        assert response.status_code == 204
        assert "cuepoint_page" not in web.client.cookies
        assert await rows(db) == 0
        stolen = await ask(web, {**OWN, "Cookie": f"cuepoint_page={token}"})
        assert errors_of(stolen)[0][0] == "UNAUTHENTICATED"


class TestCreatePageCode:
    async def test_has_the_rights_of_the_key_and_no_more(self, db: Database) -> None:
        viewer, _ = await make_token(db, is_admin=True)
        async with db.write() as session:
            await session.execute(update(ApiKey).values(scope="READ"))
            code, _ = await create_page_code(session, viewer)
            token, _ = await exchange_page_code(session, code)
        async with db.read() as session:
            seen = await authenticate(session, token)

        assert (seen.is_admin, seen.scope.value, seen.api_key_id) == (False, "READ", viewer.api_key_id)

    async def test_a_share_link_makes_none(self, db: Database) -> None:
        project = await make_project(db)
        share = Share(NOBODY, project.id, None, may_download=False)
        guest = Viewer(user_id=NOBODY, is_admin=False, share=share)

        with pytest.raises(CuepointError) as refusal:
            async with db.write() as session:
                await create_page_code(session, guest)

        assert refusal.value.code is ErrorCode.FORBIDDEN
        assert await rows(db) == 0

    async def test_what_is_over_is_swept(self, db: Database) -> None:
        viewer, _ = await make_token(db)
        for _ in range(3):
            async with db.write() as session:
                await session.execute(update(PageSession).values(expires_at=func.now()))
                await create_page_code(session, viewer)

        assert await rows(db) == 1

    async def test_a_code_is_no_token(self, db: Database) -> None:
        code, _ = await code_of(db)
        async with db.write() as session:
            with pytest.raises(UnauthenticatedError):
                await authenticate(session, code)
            token, _ = await exchange_page_code(session, code)
            with pytest.raises(UnauthenticatedError):
                await exchange_page_code(session, token)
