"""GraphQL roots of sessions: sign in, refresh, sign out, and passwords."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from cuepoint.features.users import service
from cuepoint.features.users.service import Tokens
from cuepoint.features.users.types import Session, User
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.scalars import decode_id


@strawberry.type(description="The two tokens of a session. Keep the refresh token where no page's script reads it.")
class SessionTokens:
    """What `login` and `refreshSession` lend."""

    access_token: str = strawberry.field(description="Send it as `Authorization: Bearer <accessToken>`.")
    access_expires_at: datetime = strawberry.field(description="The access token is refused from then on.")
    refresh_token: str = strawberry.field(
        description="For one `refreshSession`, which gives a new one. Used twice, it ends the session."
    )
    session_expires_at: datetime = strawberry.field(description="Without a refresh the session is over then.")

    @classmethod
    def from_tokens(cls, tokens: Tokens) -> SessionTokens:
        """Copy what clients need."""
        return cls(
            access_token=tokens.access,
            access_expires_at=tokens.session.access_expires_at,
            refresh_token=tokens.refresh,
            session_expires_at=tokens.session.expires_at,
        )


@strawberry.input(description="Who signs in.")
class LoginInput:
    email: str = strawberry.field(description="E-mail address of the account, in any case.")
    password: str = strawberry.field(description="Its password.")


@strawberry.type(description="Result of login.")
class LoginPayload(Payload):
    tokens: SessionTokens | None = strawberry.field(default=None, description="The tokens of the new session.")
    user: User | None = strawberry.field(default=None, description="Who signed in.")


@strawberry.input(description="Which session goes on.")
class RefreshSessionInput:
    """Input of refreshSession."""

    refresh_token: str = strawberry.field(description="The newest refresh token of the session.")


@strawberry.type(description="Result of refreshSession.")
class RefreshSessionPayload(Payload):
    """Payload of refreshSession."""

    tokens: SessionTokens | None = strawberry.field(
        default=None, description="New tokens; the old access token is refused at once."
    )
    user: User | None = strawberry.field(default=None, description="Whose session it is.")


@strawberry.input(description="Which session ends.")
class LogoutInput:
    session_id: strawberry.ID | None = strawberry.field(
        default=None, description="One of yours, as `sessions` lists them; null = that of this request."
    )


@strawberry.type(description="Result of logout.")
class LogoutPayload(Payload):
    changed: bool | None = strawberry.field(default=None, description="False if the session was over already.")


@strawberry.input(description="Whose sessions end.")
class LogoutAllInput:
    """Input of logoutAll."""

    user_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose; null = yours. Another user's needs an administrator."
    )


@strawberry.type(description="Result of logoutAll.")
class LogoutAllPayload(Payload):
    """Payload of logoutAll."""

    count: int | None = strawberry.field(default=None, description="How many sessions ended.")


@strawberry.input(description="Your new password.")
class ChangePasswordInput:
    """Input of changePassword."""

    current_password: str | None = strawberry.field(
        default=None, description="The password so far; null where there is none yet."
    )
    new_password: str = strawberry.field(description="10 to 256 characters.")


@strawberry.type(description="Result of changePassword.")
class ChangePasswordPayload(Payload):
    """Payload of changePassword."""

    user: User | None = strawberry.field(default=None, description="You.")


@strawberry.input(description="A user's new password.")
class SetPasswordInput:
    """Input of setPassword."""

    user_id: strawberry.ID = strawberry.field(description="The user.")
    new_password: str = strawberry.field(description="10 to 256 characters.")


@strawberry.type(description="Result of setPassword.")
class SetPasswordPayload(Payload):
    """Payload of setPassword."""

    user: User | None = strawberry.field(default=None, description="The user, signed out everywhere.")


@strawberry.type
class SessionQuery:
    """Queries of sessions."""

    @strawberry.field(description="Your sessions that are in force, oldest first. Needs the scope MANAGE.")
    async def sessions(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[Session]:
        """A page of sessions."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info)
        async with info.context.db.read() as session:
            found = await service.list_sessions(session, viewer, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_sessions(session, viewer)

        return Connection.from_page(found, lambda row: Session.from_row(row, viewer.session_id), count)


@strawberry.type
class SessionMutation:
    """Mutations of sessions and passwords."""

    @strawberry.mutation(
        description="Sign in with a password. After five failures at one place the account is locked there for a "
        "while: SIGN_IN_LOCKED with `retryAfterSeconds`. Needs no credential."
    )
    @reports_errors(LoginPayload)
    async def login(
        self, info: Info, input: Annotated[LoginInput, strawberry.argument(description="Who.")]
    ) -> LoginPayload:
        """Begin a session."""
        context = info.context
        tokens = await service.login(
            context.db, context.settings, email=input.email, password=input.password, address=context.address
        )
        return LoginPayload(tokens=SessionTokens.from_tokens(tokens), user=User.from_row(tokens.user))

    @strawberry.mutation(
        description="Go on with a session: two new tokens for its refresh token, which is good for one use. A second "
        "use ends the session, as somebody else must have it. Needs no other credential."
    )
    @reports_errors(RefreshSessionPayload)
    async def refresh_session(
        self, info: Info, input: Annotated[RefreshSessionInput, strawberry.argument(description="Which.")]
    ) -> RefreshSessionPayload:
        """Go on with a session."""
        tokens = await service.refresh_session(info.context.db, info.context.settings, input.refresh_token)
        return RefreshSessionPayload(tokens=SessionTokens.from_tokens(tokens), user=User.from_row(tokens.user))

    @strawberry.mutation(description="End a session, by default this one; what it watches ends within five seconds.")
    @reports_errors(LogoutPayload)
    async def logout(
        self, info: Info, input: Annotated[LogoutInput, strawberry.argument(description="Which.")]
    ) -> LogoutPayload:
        """End a session."""
        viewer = info.context.require_viewer()
        given = input.session_id
        session_id = None if given is None else decode_id("Session", given, field=("sessionId",))
        async with info.context.db.write() as session:
            return LogoutPayload(changed=await service.logout(session, viewer, session_id))

    @strawberry.mutation(
        description="End every session of a user, by default yours with this one. API keys go on: revoke them."
    )
    @reports_errors(LogoutAllPayload)
    async def logout_all(
        self, info: Info, input: Annotated[LogoutAllInput, strawberry.argument(description="Whose.")]
    ) -> LogoutAllPayload:
        """End all sessions."""
        viewer = info.context.require_viewer()
        user_id = None if input.user_id is None else decode_id("User", input.user_id, field=("userId",))
        async with info.context.db.write() as session:
            return LogoutAllPayload(count=await service.logout_all(session, viewer, user_id))

    @strawberry.mutation(
        description="Choose a new password. Your other sessions end, your API keys go on. Needs the scope MANAGE."
    )
    @reports_errors(ChangePasswordPayload)
    async def change_password(
        self, info: Info, input: Annotated[ChangePasswordInput, strawberry.argument(description="Old and new.")]
    ) -> ChangePasswordPayload:
        """Change one's own password."""
        context = info.context
        user = await service.change_password(
            context.db,
            context.require_viewer(),
            current=input.current_password,
            new=input.new_password,
        )
        return ChangePasswordPayload(user=User.from_row(user))

    @strawberry.mutation(description="Give a user a new password; all their sessions end. Administrators only.")
    @reports_errors(SetPasswordPayload)
    async def set_password(
        self, info: Info, input: Annotated[SetPasswordInput, strawberry.argument(description="Whose and what.")]
    ) -> SetPasswordPayload:
        """Set somebody's password."""
        viewer = info.context.require_viewer()
        user_id = decode_id("User", input.user_id, field=("userId",))
        user = await service.set_password(info.context.db, viewer, user_id, input.new_password)
        return SetPasswordPayload(user=User.from_row(user))
