"""Operations by their hash (APQ), and the list that nothing may run beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from cuepoint.api import persisted
from cuepoint.api.persisted import digest_of, load_allowlist
from cuepoint.config import ConfigError, Settings
from cuepoint.db.session import Database
from tests.support.sockets import accept, open_socket
from tests.support.web import Web, bearer, errors_of, make_token, running_web

ECHO = '{ echo(text: "x") }'


def by_hash(text: str, **more: Any) -> dict[str, Any]:
    """A request that names the text by its hash."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest_of(text)}}, **more}


class TestRegistration:
    async def test_an_unknown_hash_is_asked_for_then_known(self, web: Web) -> None:
        unknown = await web.client.post("/graphql", json=by_hash(ECHO))
        registered = await web.client.post("/graphql", json=by_hash(ECHO, query=ECHO))
        known = await web.client.post("/graphql", json=by_hash(ECHO))

        assert unknown.status_code == 200
        assert errors_of(unknown) == [("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")]
        assert [r.json()["data"] for r in (registered, known)] == [{"echo": "x"}] * 2

    async def test_a_get_needs_the_hash_alone(self, web: Web) -> None:
        await web.client.post("/graphql", json=by_hash(ECHO, query=ECHO))
        parameters = {"extensions": orjson.dumps(by_hash(ECHO)["extensions"]).decode()}

        response = await web.client.get("/graphql", params=parameters, headers={"Accept": "text/html,*/*"})

        assert response.json()["data"] == {"echo": "x"}

    async def test_sockets_share_the_store(self, web: Web) -> None:
        async with open_socket(web.app) as socket:
            await accept(socket)
            await socket.init()
            await socket.send({"id": "1", "type": "subscribe", "payload": by_hash(ECHO)})
            unknown = await socket.next()
            await socket.send({"id": "1", "type": "subscribe", "payload": by_hash(ECHO, query=ECHO)})
            result = await socket.next()
        known = await web.client.post("/graphql", json=by_hash(ECHO))

        assert unknown["payload"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
        assert result["payload"] == {"data": {"echo": "x"}}
        assert known.json()["data"] == {"echo": "x"}

    @pytest.mark.parametrize("text", ["{", "{ nope }"])
    async def test_what_does_not_run_is_not_kept(self, web: Web, text: str) -> None:
        await web.client.post("/graphql", json=by_hash(text, query=text))

        assert errors_of(await web.client.post("/graphql", json=by_hash(text)))[0][0] == "PERSISTED_QUERY_NOT_FOUND"

    @pytest.mark.parametrize(
        "value",
        [
            1,
            {},
            {"version": 2, "sha256Hash": digest_of(ECHO)},
            {"version": 1, "sha256Hash": "x"},
            {"version": 1, "sha256Hash": 1},
            {"version": 1, "sha256Hash": digest_of("other")},
        ],
    )
    async def test_a_wrong_hash_is_400(self, web: Web, value: Any) -> None:
        response = await web.client.post("/graphql", json={"query": ECHO, "extensions": {"persistedQuery": value}})

        assert (response.status_code, errors_of(response)[0][0]) == (400, "BAD_USER_INPUT")

    async def test_the_store_is_bounded(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(persisted, "MAX_TEXTS", 2)
        texts = [f'{{ echo(text: "{n}") }}' for n in range(3)]
        for text in texts:
            await web.client.post("/graphql", json=by_hash(text, query=text))

        answers = [(await web.client.post("/graphql", json=by_hash(text))).json() for text in texts]

        assert ["data" in answer for answer in answers] == [False, True, True]


class TestAllowlist:
    @pytest.fixture
    def listed(self, settings: Settings, tmp_path: Path) -> Settings:
        folder = tmp_path / "operations"
        folder.mkdir()
        (folder / "Echo.graphql").write_text("# An example.\nquery Echo($t: String!) {\n  echo(text: $t)\n}\n")
        return settings.model_copy(update={"operations_allowlist": folder})

    async def test_listed_operations_run_however_they_are_laid_out(self, listed: Settings, db: Database) -> None:
        body = {"query": "query Echo($t:String!){echo(text:$t)}", "variables": {"t": "x"}}

        async with running_web(listed, db) as web:
            response = await web.client.post("/graphql", json=body)

        assert response.json()["data"] == {"echo": "x"}

    @pytest.mark.parametrize("query", [ECHO, "{ __typename }", "{", "query Echo($t: String!) { echo(text: $t) me }"])
    async def test_others_are_403_on_every_transport(self, listed: Settings, db: Database, query: str) -> None:
        async with running_web(listed, db) as web:
            response = await web.client.post("/graphql", json={"query": query})
            events = await web.client.post("/graphql", json={"query": query}, headers={"Accept": "text/event-stream"})
            async with open_socket(web.app) as socket:
                await accept(socket)
                await socket.init()
                await socket.subscribe(query)
                message = await socket.next()

        assert (response.status_code, errors_of(response)[0][0]) == (403, "OPERATION_NOT_ALLOWED")
        assert events.status_code == 403
        assert message["payload"][0]["extensions"]["code"] == "OPERATION_NOT_ALLOWED"

    async def test_a_hash_stands_for_a_listed_text_and_registers_none(self, listed: Settings, db: Database) -> None:
        assert listed.operations_allowlist is not None
        text = (listed.operations_allowlist / "Echo.graphql").read_text()

        async with running_web(listed, db) as web:
            known = await web.client.post("/graphql", json=by_hash(text, variables={"t": "x"}))
            refused = await web.client.post("/graphql", json=by_hash(ECHO, query=ECHO))
            unknown = await web.client.post("/graphql", json=by_hash(ECHO))

        assert known.json()["data"] == {"echo": "x"}
        assert refused.status_code == 403
        assert errors_of(unknown)[0][0] == "PERSISTED_QUERY_NOT_FOUND"

    async def test_administrators_are_not_held_to_it(self, listed: Settings, db: Database) -> None:
        _, secret = await make_token(db, is_admin=True)

        async with running_web(listed, db) as web:
            response = await web.client.post("/graphql", json={"query": ECHO}, headers=bearer(secret))

        assert response.json()["data"] == {"echo": "x"}

    def test_a_manifest_is_read_by_its_ids(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        path.write_bytes(
            orjson.dumps({"format": "apollo-persisted-query-manifest", "operations": [{"id": "a", "body": ECHO}]})
        )

        allowed = load_allowlist(path)

        assert allowed is not None
        assert allowed.find("a") == ECHO

    @pytest.mark.parametrize("content", ["", "[]", '{"operations": []}', '{"operations": [{"id": "a"}]}'])
    def test_a_file_without_operations_is_a_wrong_setting(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "manifest.json"
        path.write_text(content)

        with pytest.raises(ConfigError, match="CUEPOINT_OPERATIONS_ALLOWLIST"):
            load_allowlist(path)

    def test_so_is_one_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="CUEPOINT_OPERATIONS_ALLOWLIST"):
            load_allowlist(tmp_path / "nowhere")
