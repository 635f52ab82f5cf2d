"""The GraphiQL page: complete, from this origin alone, with example operations that the schema understands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graphql import parse, validate

from cuepoint.api import graphiql
from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.web import Web, running_web

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class TestPage:
    async def test_a_browser_gets_it_with_a_strict_policy(self, web: Web) -> None:
        response = await web.client.get("/graphql", headers=BROWSER)

        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "frame-ancestors 'none'" in policy

    async def test_everything_it_loads_is_served_from_here(self, web: Web) -> None:
        page = (await web.client.get("/graphql", headers=BROWSER)).text
        links = re.findall(r'(?:src|href)="([^"]+)"', page)

        answers = {link: (await web.client.get(f"/{link}")).status_code for link in links if link != "data:,"}

        assert len(answers) == 8
        assert set(answers.values()) == {200}

    async def test_a_query_by_a_browser_is_answered(self, web: Web) -> None:
        response = await web.client.get("/graphql", params={"query": "{ baseUrl }"}, headers=BROWSER)

        assert response.json()["data"] == {"baseUrl": "http://testserver"}

    async def test_it_can_be_switched_off(self, settings: Settings, db: Database) -> None:
        async with running_web(settings.model_copy(update={"graphiql": False}), db) as web:
            page = await web.client.get("/graphql", headers=BROWSER)
            script = await web.client.get("/graphiql/boot.js")

        assert (page.status_code, script.status_code) == (404, 404)

    def test_licences_lie_beside_the_files(self) -> None:
        texts = {path.name: path.read_text() for path in graphiql.STATIC.glob("LICENSE.*")}

        assert sorted(texts) == ["LICENSE.explorer.txt", "LICENSE.graphiql.txt", "LICENSE.react.txt"]
        assert all("Permission is hereby granted, free of charge" in text for text in texts.values())


class TestExamples:
    async def test_they_are_served_as_tabs(self, web: Web) -> None:
        tabs = (await web.client.get("/graphiql/examples.json")).json()

        assert [sorted(tab) for tab in tabs][:1] == [["query"]]
        assert len(tabs) == len(list(graphiql.EXAMPLES.glob("*.graphql")))
        assert all(json.loads(tab.get("variables", "{}")) is not None for tab in tabs)

    @pytest.mark.parametrize("path", sorted(graphiql.EXAMPLES.glob("*.graphql")), ids=lambda p: p.stem)
    def test_the_schema_understands_each(self, path: Path) -> None:
        assert validate(schema._schema, parse(path.read_text())) == []
