"""The audit log: part of the change's own transaction, without secrets, and never changed afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.audit.models import AuditEvent
from cuepoint.features.audit.service import AuditAction, SecretInAuditError, record
from cuepoint.logs import request_id
from cuepoint.viewer import Scope, Viewer


async def events(db: Database) -> list[AuditEvent]:
    async with db.read() as session:
        return list(await session.scalars(select(AuditEvent).order_by(AuditEvent.id)))


class TestRecord:
    async def test_says_who_did_what_to_what(self, db: Database) -> None:
        viewer, node, project = Viewer(uuid7(), is_admin=False, api_key_id=uuid7()), uuid7(), uuid7()
        token = request_id.set("r-7")

        async with db.write() as session:
            await record(session, viewer, AuditAction.CREATED, "Clip", node, project_id=project, after={"title": "A"})

        request_id.reset(token)
        (event,) = await events(db)
        assert (event.actor_id, event.api_key_id) == (viewer.user_id, viewer.api_key_id)
        assert (event.action, event.node_type, event.node_id) == ("CREATED", "Clip", node)
        assert (event.project_id, event.request_id) == (project, "r-7")
        assert (event.before, event.after) == (None, {"title": "A"})

    async def test_keeps_only_what_changed(self, db: Database) -> None:
        before = {"name": "A", "size": 1, "scope": Scope.READ}
        after = {"name": "A", "size": 2, "scope": Scope.WRITE, "by": "x"}

        async with db.write() as session:
            await record(session, None, AuditAction.UPDATED, "Clip", uuid7(), before=before, after=after)
            await record(session, None, AuditAction.UPDATED, "Clip", uuid7(), before=before, after=dict(before))

        (event,) = await events(db)
        assert event.before == {"size": 1, "scope": "READ"}
        assert event.after == {"size": 2, "scope": "WRITE", "by": "x"}

    async def test_writes_any_value_as_json(self, db: Database) -> None:
        key, now = uuid7(), datetime(2026, 1, 2, tzinfo=UTC)
        after = {"ids": [key], "at": now, "inner": {"scopes": {Scope.READ}}, "none": None}

        async with db.write() as session:
            await record(session, None, AuditAction.OTHER, "Clip", uuid7(), after=after)

        (event,) = await events(db)
        assert event.after == {
            "ids": [key.hex],
            "at": "2026-01-02T00:00:00+00:00",
            "inner": {"scopes": ["READ"]},
            "none": None,
        }

    async def test_is_undone_with_the_change(self, db: Database) -> None:
        async def change_and_fail() -> None:
            async with db.write() as session:
                await record(session, None, AuditAction.DELETED, "Clip", uuid7())
                raise LookupError

        with pytest.raises(LookupError):
            await change_and_fail()

        assert await events(db) == []

    @pytest.mark.parametrize("name", ["passwordHash", "secret", "accessToken", "s3Credential"])
    async def test_takes_no_secret(self, db: Database, name: str) -> None:
        async with db.write() as session:
            with pytest.raises(SecretInAuditError):
                await record(session, None, AuditAction.UPDATED, "User", uuid7(), after={name: "x"})

        assert await events(db) == []


class TestTheTable:
    @pytest.mark.parametrize(
        "statement",
        ["update audit_events set action = 'OTHER'", "delete from audit_events", "truncate audit_events"],
        ids=lambda statement: statement.split()[0],
    )
    async def test_is_append_only(self, db: Database, statement: str) -> None:
        async with db.write() as session:
            await record(session, None, AuditAction.DELETED, "Clip", uuid7())

        with pytest.raises(DBAPIError, match="append-only"):
            async with db.write() as session:
                await session.execute(text(statement))

        assert [event.action for event in await events(db)] == ["DELETED"]
