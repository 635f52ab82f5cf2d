"""database_design.md says what the models and the migrations hold, with a reason for everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Column, Index, Integer, MetaData, Table

from cuepoint.db.design import DesignError, render, update, without_reason
from cuepoint.tables import metadata

ROOT = Path(__file__).resolve().parents[2]
DESIGN = ROOT / "database_design.md"
MIGRATIONS = ROOT / "backend/cuepoint/db/migrations/versions"


class TestDocument:
    def test_is_what_the_models_say(self) -> None:
        text = DESIGN.read_text()

        assert text == update(text, metadata), "run `make schema`"

    def test_everything_has_a_reason(self) -> None:
        assert without_reason(metadata) == [], "add comment= or info={'reason': ...} in the models"

    def test_names_every_function_of_the_migrations(self) -> None:
        scripts = "".join(path.read_text() for path in MIGRATIONS.glob("*.sql"))
        made = set(re.findall(r"create (?:or replace )?function (\w+)", scripts))

        assert made
        assert {name for name in made if f"| `{name}(" not in DESIGN.read_text()} == set()

    def test_the_diagram_shows_every_table(self) -> None:
        (diagram,) = re.findall(r"```mermaid\n(.*?)```", DESIGN.read_text(), re.DOTALL)
        alone = {
            "workers",
            "schedules",
            "job_speeds",
            "audit_events",
            "sign_in_attempts",
            "media_usage",
            "model_usage",
        }  # no foreign keys; the text says so

        assert {
            name for name in metadata.tables if name not in alone and not re.search(rf"\b{name}\b", diagram)
        } == set()


@pytest.fixture
def small() -> MetaData:
    tables = MetaData()
    Table(
        "films",
        tables,
        Column("id", Integer, primary_key=True, comment="Key."),
        Column("year", Integer, server_default="1900", comment="Of the a|b first showing."),
        CheckConstraint("year > 1880", name="ck_films_year", info={"reason": "No films before."}),
        Index("ix_films_year", "year", info={"reason": "Lists by year."}),
        comment="Films.",
    )
    return tables


class TestRender:
    def test_shows_columns_keys_checks_and_indexes(self, small: MetaData) -> None:
        assert render(small) == {
            "films": "Films.\n"
            "\n"
            "| Column | Type | Null | Default | Reason |\n"
            "|---|---|---|---|---|\n"
            "| `id` | integer |  |  | Key. |\n"
            "| `year` | integer | null | `1900` | Of the a&#124;b first showing. |\n"
            "\n"
            "| Key or check | Rule | Reason |\n"
            "|---|---|---|\n"
            "| `None` | primary key (id) | Names the row. |\n"
            "| `ck_films_year` | check `year > 1880` | No films before. |\n"
            "\n"
            "| Index | On | Reason |\n"
            "|---|---|---|\n"
            "| `ix_films_year` | year | Lists by year. |"
        }


class TestUpdate:
    def test_replaces_a_section_and_nothing_else(self, small: MetaData) -> None:
        text = "before\n<!-- table: films -->\nold\n<!-- /table: films -->\nafter\n"

        assert update(text, small) == (
            f"before\n<!-- table: films -->\n{render(small)['films']}\n<!-- /table: films -->\nafter\n"
        )

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "films has no section"),
            ("<!-- table: films -->\n<!-- /table: films -->\n" * 2, "films has 2 sections"),
            (
                "<!-- table: films -->\n<!-- /table: films -->\n<!-- table: books -->\n<!-- /table: books -->\n",
                "books is no table",
            ),
        ],
    )
    def test_refuses_a_document_that_does_not_fit(self, small: MetaData, text: str, problem: str) -> None:
        with pytest.raises(DesignError, match=problem):
            update(text, small)


class TestWithoutReason:
    def test_names_what_lacks_one(self, small: MetaData) -> None:
        table = small.tables["films"]
        table.comment = None
        table.c.year.comment = None
        Index("ix_films_id", table.c.id)

        assert without_reason(small) == ["films", "films.year", "ix_films_id"]
