"""GraphQL over HTTP: media types, methods, faults of the request, credentials."""

from __future__ import annotations

from typing import Any

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.users import service as users
from tests.support.web import Web, bearer, errors_of, make_token, running_web

JSON = {"Content-Type": "application/json"}
NEW = "application/graphql-response+json"
ECHO = '{ echo(text: "hi") }'


async def post(web: Web, body: Any, **headers: str) -> Any:
    """POST to /graphql; bytes go as they are."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, bytes):
        return await web.client.post("/graphql", content=body, headers={**JSON, **named})
    return await web.client.post("/graphql", json=body, headers=named)


class TestMediaTypes:
    @pytest.mark.parametrize(
        ("accept", "media_type"),
        [
            (None, "application/json"),
            ("*/*", "application/json"),
            ("application/json", "application/json"),
            (NEW, NEW),
            (f"{NEW}, application/json;q=0.9", NEW),
            (f"{NEW};q=0.1, application/json;q=0.9", "application/json"),
            (f"{NEW}; charset=utf-8", NEW),
            ("application/*", "application/json"),
        ],
    )
    async def test_the_preferred_type_is_answered(self, web: Web, accept: str | None, media_type: str) -> None:
        if accept is None:
            del web.client.headers["accept"]
        response = await post(web, {"query": ECHO}, **({"Accept": accept} if accept else {}))

        assert response.status_code == 200
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert response.json()["data"] == {"echo": "hi"}

    @pytest.mark.parametrize("accept", ["text/plain", "application/json;q=0", "image/*"])
    async def test_nothing_acceptable_is_406(self, web: Web, accept: str) -> None:
        response = await post(web, {"query": ECHO}, Accept=accept)

        assert response.status_code == 406

    @pytest.mark.parametrize(
        ("query", "variables"),
        [("{", None), ("{ nope }", None), ("query($t: String!) { echo(text: $t) }", {"t": 1})],
    )
    async def test_request_errors_are_400_in_the_new_type_and_200_in_the_old(
        self, web: Web, query: str, variables: Any
    ) -> None:
        body = {"query": query, "variables": variables}

        new, old = await post(web, body, Accept=NEW), await post(web, body, Accept="application/json")

        assert (new.status_code, old.status_code) == (400, 200)
        assert "data" not in new.json()
        assert [code for code, _ in errors_of(new)] == ["BAD_USER_INPUT"]

    async def test_a_null_from_execution_is_200_with_data(self, web: Web) -> None:
        response = await post(web, {"query": '{ fail(how: "bad") }'}, Accept=NEW)

        assert response.status_code == 200
        assert response.json()["data"] == {"fail": None}


class TestMethods:
    async def test_a_query_by_get(self, web: Web) -> None:
        parameters = {
            "query": "query Q($t: String!) { echo(text: $t) }",
            "variables": '{"t": "x"}',
            "operationName": "Q",
        }

        response = await web.client.get("/graphql", params=parameters)

        assert response.json()["data"] == {"echo": "x"}

    async def test_a_mutation_by_get_is_405(self, web: Web) -> None:
        response = await web.client.get(
            "/graphql", params={"query": 'mutation { makeThing(input: {name: "x"}) { atSeconds } }'}
        )

        assert (response.status_code, response.headers["allow"]) == (405, "POST")

    async def test_a_subscription_over_http_is_405(self, web: Web) -> None:
        response = await post(web, {"query": "subscription { countdown(start: 1) }"})

        assert response.status_code == 405
        assert "graphql-transport-ws" in errors_of(response)[0][1]

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
    async def test_other_methods_are_405(self, web: Web, method: str) -> None:
        response = await web.client.request(method, "/graphql")

        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")

    @pytest.mark.parametrize(
        "parameters", [{}, {"query": ""}, {"query": ECHO, "variables": "{"}, {"query": ECHO, "variables": "[]"}]
    )
    async def test_a_bad_query_string_is_400(self, web: Web, parameters: dict[str, str]) -> None:
        response = await web.client.get("/graphql", params=parameters)

        assert response.status_code == 400
        assert errors_of(response)[0][0] == "BAD_USER_INPUT"


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"7",
            b'"text"',
            b"[]",
            b"[{}]",
            b"{}",
            b"{",
            b'{"query": 1}',
            b'{"query": "  "}',
            b'{"query": null}',
            b'{"query": "{ me }", "variables": []}',
            b'{"query": "{ me }", "variables": "x"}',
            b'{"query": "{ me }", "operationName": 1}',
            b'{"query": "{ me }", "extensions": 1}',
            b'{"query": "\xff\xfe"}',
            b'{"query": "{ me }", "variables": {"a": NaN}}',
            b'{"query": "{ me }", "variables": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}",
        ],
    )
    async def test_what_is_no_operation_is_400(self, web: Web, body: bytes) -> None:
        response = await post(web, body)

        assert response.status_code == 400
        assert [code for code, _ in errors_of(response)] == ["BAD_USER_INPUT"]
        assert response.json()["errors"][0]["extensions"]["requestId"] == response.headers["x-request-id"]

    async def test_deep_variables_are_refused(self, web: Web) -> None:
        body = b'{"query": "{ me }", "variables": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}"

        response = await post(web, body, Accept=NEW)

        assert (response.status_code, errors_of(response)[0][0]) == (400, "QUERY_TOO_DEEP")

    async def test_a_body_beyond_1_mib_is_413(self, web: Web) -> None:
        query = '{"query": "{ me }", "x": "%s"}'

        too_large = await post(web, (query % ("a" * 1024 * 1024)).encode())
        just_right = await post(web, (query % ("a" * (1024 * 1024 - len(query) + 2))).encode())

        assert too_large.status_code == 413
        assert just_right.status_code == 200

    async def test_a_body_without_a_length_is_counted(self, web: Web) -> None:
        async def pieces() -> Any:
            for _ in range(20):
                yield b" " * 100_000

        response = await web.client.post("/graphql", content=pieces(), headers=JSON)

        assert response.status_code == 413

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "",
            "application/json; charset=latin-1",
        ],
    )
    async def test_another_content_type_is_415(self, web: Web, content_type: str) -> None:
        response = await post(web, b'{"query": "{ me }"}', Content_Type=content_type)

        assert response.status_code == 415

    async def test_a_charset_is_fine(self, web: Web) -> None:
        response = await post(web, b'{"query": "{ baseUrl }"}', Content_Type="Application/JSON; charset=UTF-8")

        assert response.json()["data"] == {"baseUrl": "http://testserver"}


class TestCredentials:
    async def test_a_token_makes_a_viewer(self, web: Web, db: Database) -> None:
        viewer, secret = await make_token(db)

        response = await post(web, {"query": "{ me }"}, **bearer(secret))

        assert response.json()["data"] == {"me": str(viewer.user_id)}

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer "])
    async def test_without_a_token_nothing_private_is_answered(self, web: Web, header: str | None) -> None:
        response = await post(web, {"query": '{ me echo(text: "x") }'}, **({"Authorization": header} if header else {}))

        assert response.status_code == 200
        assert response.json()["data"] == {"me": None, "echo": "x"}
        assert [code for code, _ in errors_of(response)] == ["UNAUTHENTICATED"]

    @pytest.mark.parametrize("header", ["Bearer cp_wrong", "Basic dXNlcjpwYXNz", "cp_wrong"])
    async def test_a_wrong_token_is_401_whatever_is_asked(self, web: Web, header: str) -> None:
        response = await post(web, {"query": ECHO}, Authorization=header)

        assert (response.status_code, errors_of(response)[0][0]) == (401, "UNAUTHENTICATED")
        assert response.headers["www-authenticate"].startswith("Bearer")

    async def test_a_revoked_token_is_401_at_once(self, web: Web, db: Database) -> None:
        viewer, secret = await make_token(db)
        before = await post(web, {"query": "{ me }"}, **bearer(secret))
        assert viewer.api_key_id is not None

        async with db.write() as session:
            await users.revoke_api_key(session, viewer, viewer.api_key_id)
        after = await post(web, {"query": "{ me }"}, **bearer(secret))

        assert (before.status_code, after.status_code) == (200, 401)

    async def test_the_use_of_a_key_is_noted(self, web: Web, db: Database) -> None:
        viewer, secret = await make_token(db)
        web.gateway.authenticator._noted.clear()

        await post(web, {"query": "{ me }"}, **bearer(secret))

        assert viewer.api_key_id in web.gateway.authenticator._noted


class TestRequestIds:
    async def test_a_harmless_id_is_kept(self, web: Web) -> None:
        response = await post(web, {"query": "{ me }"}, X_Request_Id="abc-123")

        assert response.headers["x-request-id"] == "abc-123"
        assert response.json()["errors"][0]["extensions"]["requestId"] == "abc-123"

    @pytest.mark.parametrize("given", ["a" * 65, "a b", 'a"b', ""])
    async def test_any_other_is_replaced(self, web: Web, given: str) -> None:
        response = await post(web, {"query": ECHO}, X_Request_Id=given)

        assert response.headers["x-request-id"] != given
        assert len(response.headers["x-request-id"]) == 32


class TestFaultsOfOurs:
    async def test_they_answer_500_with_the_request_id_only(self, web: Web, caplog: pytest.LogCaptureFixture) -> None:
        await web.process.db.close()
        broken = web.process.adapters
        object.__setattr__(web.gateway, "authenticator", broken)  # has no such method: a bug

        response = await post(web, {"query": ECHO}, X_Request_Id="abc")

        assert response.status_code == 500
        assert errors_of(response) == [("INTERNAL", "Internal error. Report this request id: abc")]
        assert response.headers["x-request-id"] == "abc"
        assert "AttributeError" in caplog.text


class TestAddresses:
    async def test_the_public_url_wins(self, settings: Settings, db: Database) -> None:
        public = settings.model_copy(update={"public_url": "https://video.example.org/app/"})
        async with running_web(public, db) as web:
            response = await post(web, {"query": "{ baseUrl }"})

        assert response.json()["data"] == {"baseUrl": "https://video.example.org/app"}

    async def test_a_trusted_proxy_is_believed(self, settings: Settings, db: Database) -> None:
        forwarded = {
            "X_Forwarded_Proto": "https",
            "X_Forwarded_Host": "video.example.org",
            "X_Forwarded_For": "1.2.3.4",
        }
        async with running_web(settings.model_copy(update={"trusted_proxies": ("127.0.0.0/8",)}), db) as web:
            trusted = await post(web, {"query": "{ baseUrl }"}, **forwarded)
        async with running_web(settings, db) as web:
            stranger = await post(web, {"query": "{ baseUrl }"}, **forwarded)

        assert trusted.json()["data"] == {"baseUrl": "https://video.example.org"}
        assert stranger.json()["data"] == {"baseUrl": "http://testserver"}

    async def test_a_strange_host_gets_into_no_url(self, web: Web, settings: Settings) -> None:
        response = await post(web, {"query": "{ baseUrl }"}, Host='evil"><script>')

        assert response.json()["data"] == {"baseUrl": f"http://{settings.host}:{settings.port}"}
