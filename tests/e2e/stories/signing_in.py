"""Sign-in, sessions, narrow keys, the audit log, and the end of an account."""

from __future__ import annotations

import pytest

from cuepoint.client import CuepointClient
from cuepoint.client.errors import GraphQLFailure
from tests.e2e.conftest import Sample
from tests.e2e.stories.run import Run
from tests.support.product import call


async def signing_in(run: Run, sample: Sample) -> None:
    password = "correct horse battery staple"
    given = {"email": "grace@example.org", "name": "Grace", "password": password}
    user = (await run("CreateUser", input=given))["user"]
    renamed = await run("UpdateUser", input={"id": user["id"], "name": "Grace H."})
    assert renamed["user"]["name"] == "Grace H."
    with pytest.raises(GraphQLFailure) as wrong:
        await run("Login", input={"email": "grace@example.org", "password": "wrong password"})
    assert wrong.value.codes == ("INVALID_CREDENTIALS",)
    first = (await run("Login", input={"email": "GRACE@example.org", "password": password}))["tokens"]
    tokens = (await run("RefreshSession", input={"refreshToken": first["refreshToken"]}))["tokens"]
    async with CuepointClient(run.client.base_url, tokens["accessToken"]) as grace:
        assert (await call(grace, "Me"))["isAdmin"] is False
        mine = Run(grace)
        assert [session["isCurrent"] for session in (await mine("Sessions"))["nodes"]] == [True]
        changed = await mine("ChangePassword", input={"currentPassword": password, "newPassword": "another horse"})
        assert changed["errors"] == []
        assert (await mine("Logout", input={}))["changed"] is True
        run.done |= mine.done
    assert (await run("SetPassword", input={"userId": user["id"], "newPassword": password}))["errors"] == []
    again = await run("Login", input={"email": "grace@example.org", "password": password})
    assert again["errors"] == []
    assert (await run("LogoutAll", input={"userId": user["id"]}))["count"] == 1
    await keys(run, sample)
    assert (await run("DeactivateUser", input={"id": user["id"]}))["changed"] is True
    assert (await run("ReactivateUser", input={"id": user["id"]}))["changed"] is True
    told = await run("DeleteUser", input={"id": user["id"], "dryRun": True})
    assert (told["deletedId"], told["projectCount"], told["errors"]) == (None, 0, [])
    assert (await run("DeleteUser", input={"id": user["id"]}))["deletedId"] == user["id"]
    events = await run("AuditEvents", filter={"nodeId": user["id"]})
    seen = [event["action"] for event in events["nodes"]]
    assert (seen[0], seen[-1]) == ("DELETED", "CREATED")


async def keys(run: Run, sample: Sample) -> None:
    narrow = {"name": "player", "scopes": ["READ"], "projectIds": [sample.project_id]}
    made = await run("CreateApiKey", input=narrow)
    async with CuepointClient(run.client.base_url, made["secret"]) as reader:
        assert [project["id"] for project in (await call(reader, "Projects"))["nodes"]] == [sample.project_id]
    rotated = await run("RotateApiKey", input={"id": made["apiKey"]["id"]})
    assert rotated["oldApiKey"]["expiresAt"] is not None
    assert (await run("RevokeApiKey", input={"id": rotated["apiKey"]["id"]}))["errors"] == []
