"""GraphQL roots of accounts: me and users, and with them API keys and sessions."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.errors import NotFoundError
from cuepoint.features.users import service
from cuepoint.features.users.key_schema import ApiKeyMutation, ApiKeyQuery
from cuepoint.features.users.loaders import UserById
from cuepoint.features.users.service import UserFilter
from cuepoint.features.users.session_schema import SessionMutation, SessionQuery
from cuepoint.features.users.types import User
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id


@strawberry.input(description="A new user.")
class CreateUserInput(IdempotentInput):
    """Input of createUser."""

    email: str = strawberry.field(description="E-mail address, unique whatever its case.")
    name: str = strawberry.field(description="Shown name, 1 to 200 characters.")
    is_admin: bool = strawberry.field(default=False, description="Whether to make an instance administrator.")
    password: str | None = strawberry.field(
        default=None, description="10 to 256 characters; null = an account that only API keys open, until one is set."
    )


@strawberry.type(description="Result of createUser.")
class CreateUserPayload(Payload):
    """Payload of createUser."""

    user: User | None = strawberry.field(default=None, description="The new user.")


@strawberry.input(description="What changes of a user; what is left out stays as it is.")
class UpdateUserInput:
    """Input of updateUser."""

    id: strawberry.ID = strawberry.field(description="The user.")
    name: str | None = strawberry.field(default=None, description="Shown name, 1 to 200 characters.")
    email: str | None = strawberry.field(default=None, description="E-mail address. Needs an administrator.")
    is_admin: bool | None = strawberry.field(
        default=None, description="Whether to be an instance administrator. Needs an administrator."
    )


@strawberry.type(description="Result of updateUser.")
class UpdateUserPayload(Payload):
    """Payload of updateUser."""

    user: User | None = strawberry.field(default=None, description="The user as it is now.")


@strawberry.input(description="Who is switched off.")
class DeactivateUserInput:
    """Input of deactivateUser."""

    id: strawberry.ID = strawberry.field(description="The user.")


@strawberry.type(description="Result of deactivateUser.")
class DeactivateUserPayload(Payload):
    """Payload of deactivateUser."""

    user: User | None = strawberry.field(default=None, description="The user, whose credentials are refused now.")
    changed: bool | None = strawberry.field(default=None, description="False if it was so before.")


@strawberry.input(description="Who is switched on again.")
class ReactivateUserInput:
    """Input of reactivateUser."""

    id: strawberry.ID = strawberry.field(description="The user.")


@strawberry.type(description="Result of reactivateUser.")
class ReactivateUserPayload(Payload):
    """Payload of reactivateUser."""

    user: User | None = strawberry.field(default=None, description="The user, whose API keys are accepted again.")
    changed: bool | None = strawberry.field(default=None, description="False if it was so before.")


@strawberry.input(description="Which users are listed; what is left out does not narrow.")
class UserFilterInput:
    text: str | None = strawberry.field(
        default=None, description="Found in the e-mail address or the name, whatever its case."
    )
    is_admin: bool | None = strawberry.field(default=None, description="Instance administrators, or all others.")
    is_active: bool | None = strawberry.field(default=None, description="Accounts that are on, or off.")
    and_: list[UserFilterInput] | None = strawberry.field(
        default=None, name="and", description="Which all of these let through too; 3 levels deep at most."
    )
    or_: list[UserFilterInput] | None = strawberry.field(
        default=None, name="or", description="Which one of these lets through."
    )
    not_: UserFilterInput | None = strawberry.field(
        default=None, name="not", description="Which this one does not let through."
    )

    def to_filter(self) -> UserFilter:
        """What the service takes."""
        return UserFilter(
            self.text,
            self.is_admin,
            self.is_active,
            all_of=[one.to_filter() for one in self.and_ or ()],
            any_of=[one.to_filter() for one in self.or_ or ()],
            none_of=None if self.not_ is None else self.not_.to_filter(),
        )


@strawberry.type
class UserQuery(ApiKeyQuery, SessionQuery):
    """Queries of accounts."""

    @strawberry.field(description="Whose credential this is.")
    async def me(self, info: Info) -> User:
        """The caller."""
        row = await info.context.loader(UserById).load(info.context.require_viewer().user_id)
        if row is None:
            raise NotFoundError("user")
        return User.from_row(row)

    @strawberry.field(description="A user: yourself, or anyone for administrators.")
    async def user(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The user.")]
    ) -> User | None:
        """One user."""

        async def find() -> User:
            viewer = info.context.require_viewer()
            async with info.context.db.read() as session:
                return User.from_row(await service.get_user(session, viewer, decode_id("User", id)))

        return await found_or_none(find())

    @strawberry.field(description="All users, oldest first. Administrators only.")
    async def users(
        self,
        info: Info,
        filter: Annotated[UserFilterInput | None, strawberry.argument(description="Which; null = all.")] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[User]:
        """A page of users."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info)
        wanted = UserFilter() if filter is None else filter.to_filter()
        async with info.context.db.read() as session:
            found = await service.list_users(session, viewer, page, wanted)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_users(session, viewer, wanted)

        return Connection.from_page(found, User.from_row, count)


@strawberry.type
class UserMutation(ApiKeyMutation, SessionMutation):
    """Mutations of accounts."""

    @strawberry.mutation(description="Make a user. Administrators only.")
    @reports_errors(CreateUserPayload)
    async def create_user(
        self, info: Info, input: Annotated[CreateUserInput, strawberry.argument(description="The user.")]
    ) -> CreateUserPayload:
        viewer = info.context.require_viewer()
        given = input.password
        hashed = None if given is None else await service.hash_new_password(viewer, given)
        async with info.context.db.write() as session:
            user = await service.create_user(
                session, viewer, email=input.email, name=input.name, is_admin=input.is_admin, password_hash=hashed
            )
            return CreateUserPayload(user=User.from_row(user))

    @strawberry.mutation(
        description="Change a user. You may change your own name; addresses and rights need an administrator."
    )
    @reports_errors(UpdateUserPayload)
    async def update_user(
        self, info: Info, input: Annotated[UpdateUserInput, strawberry.argument(description="Who and what.")]
    ) -> UpdateUserPayload:
        """Change a user."""
        viewer = info.context.require_viewer()
        user_id = decode_id("User", input.id, field=("id",))
        async with info.context.db.write() as session:
            user = await service.update_user(
                session, viewer, user_id, name=input.name, email=input.email, is_admin=input.is_admin
            )
            return UpdateUserPayload(user=User.from_row(user))

    @strawberry.mutation(
        description="Switch a user off: every credential is refused at once, sessions end. Administrators only."
    )
    @reports_errors(DeactivateUserPayload)
    async def deactivate_user(
        self, info: Info, input: Annotated[DeactivateUserInput, strawberry.argument(description="Who.")]
    ) -> DeactivateUserPayload:
        """Switch a user off."""
        viewer = info.context.require_viewer()
        user_id = decode_id("User", input.id, field=("id",))
        async with info.context.db.write() as session:
            user, changed = await service.set_active(session, viewer, user_id, is_active=False)
            return DeactivateUserPayload(user=User.from_row(user), changed=changed)

    @strawberry.mutation(description="Switch a user on again; they sign in anew. Administrators only.")
    @reports_errors(ReactivateUserPayload)
    async def reactivate_user(
        self, info: Info, input: Annotated[ReactivateUserInput, strawberry.argument(description="Who.")]
    ) -> ReactivateUserPayload:
        """Switch a user on."""
        viewer = info.context.require_viewer()
        user_id = decode_id("User", input.id, field=("id",))
        async with info.context.db.write() as session:
            user, changed = await service.set_active(session, viewer, user_id, is_active=True)
            return ReactivateUserPayload(user=User.from_row(user), changed=changed)
