"""Passwords are kept as Argon2id hashes, and nobody's password takes as long to refuse as anybody's."""

from __future__ import annotations

import re

from cuepoint.features.users.passwords import NOBODYS, hash_password, is_outdated, verify_password


class TestHashPassword:
    async def test_is_argon2id_with_a_salt_of_its_own(self) -> None:
        one, two = await hash_password("correct horse"), await hash_password("correct horse")

        assert re.fullmatch(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}", one)
        assert one != two
        assert await verify_password(one, "correct horse")
        assert not await verify_password(one, "correct horse ")

    async def test_takes_any_text(self) -> None:
        strange = "päss\x00wörd \U0001f511"

        assert await verify_password(await hash_password(strange), strange)


class TestVerifyPassword:
    async def test_without_a_hash_the_answer_is_no(self) -> None:
        assert not await verify_password(None, "")
        assert not await verify_password("no hash at all", "x")

    def test_nobodys_hash_costs_what_a_new_one_costs(self) -> None:
        assert not is_outdated(NOBODYS)
        assert is_outdated(NOBODYS.replace("t=2", "t=1"))
