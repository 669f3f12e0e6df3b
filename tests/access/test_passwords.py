"""Passwords: what may be one, and that a comparison tells nothing but whether it is."""

import asyncio
import math
import re
import unicodedata

import pytest

from access import passwords, secrets
from access.passwords import Busy, Unsuitable


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("eleven char", "at least 12"),
        ("x1y2" * 33, "at most 128"),
        ("passwordpassword", "first that are tried"),
        ("PassWordPassWord", "first that are tried"),
        ("ababababababab", "first that are tried"),
        ("my name is Trần Thị Lan", "account's name"),
        ("a tab\there and more", "control"),
        ("half a pair \ud800 here", "control"),
    ],
)
def test_unsuitable(password: str, why: str) -> None:
    with pytest.raises(Unsuitable, match=why) as refused:
        passwords.check(password, "Trần Thị Lan")
    assert refused.value.code == "unsuitable_password"


@pytest.mark.parametrize("password", ["correct horse battery", "thành phố bên sông", "8f3!kdU2-pq9", "xxxxxxxxxyzw"])
def test_suitable_without_rules_of_composition(password: str) -> None:
    passwords.check(password, "Lan")


def test_length_counts_what_is_typed_not_how_it_is_encoded() -> None:
    accents = "ếộựẫằ" * 25
    passwords.check(unicodedata.normalize("NFD", accents), "Lan")  # 125 characters as they are seen


async def test_composed_or_not_it_is_the_same_password() -> None:
    encoded = await passwords.hashed(unicodedata.normalize("NFC", "bến Bạch Đằng buổi sáng"))
    assert encoded.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.verify(encoded, unicodedata.normalize("NFD", "bến Bạch Đằng buổi sáng"))
    assert not await passwords.verify(encoded, "bến Bạch Đằng buổi tối")
    assert not passwords.outdated(encoded)


async def test_nothing_is_cut_off_and_nothing_breaks_it() -> None:
    longest = "".join(chr(97 + i % 26) for i in range(128))
    encoded = await passwords.hashed(longest)
    assert await passwords.verify(encoded, longest)
    for other in (longest + "x", longest * 8, "", "\ud800" * 20, "\x00" * 20):
        assert not await passwords.verify(encoded, other)
    assert not await passwords.verify("no hash", longest)


async def test_a_crowd_is_told_to_come_again() -> None:
    answers = await asyncio.gather(
        *(passwords.verify(None, "x") for _ in range(passwords.MOST_WAITING + 5)), return_exceptions=True
    )
    assert sum(isinstance(answer, Busy) for answer in answers) == 5
    assert not await passwords.verify(None, "x")  # and then there is room again


def test_a_generated_password_is_easy_to_type_and_hard_to_guess() -> None:
    made = [secrets.easy_password() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"[^-]{5}-[^-]{5}-[^-]{5}-[^-]{5}", one) for one in made)
    letters = set("".join(made)) - {"-"}
    assert not letters & set("01loiuIOLU"), "nothing that looks like something else"
    assert 20 * math.log2(len(letters)) >= 96
    for one in made[:50]:
        passwords.check(one, "Lan")
