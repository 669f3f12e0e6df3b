"""A migrated database, people in it, and the trail of what they did."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from access import accounts
from access.accounts import Account
from access.policy import Principal, Role
from city.actor import Actor
from city.database import open_pool
from city.settings import Settings

CHIEF = Actor("local", "1000", "chief")
LOCAL = Principal("local", "1000", "chief")
PASSWORD = "a wall of eight screens"


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    settings = Settings(database_dsn=database, _env_file=None)
    async with await open_pool(settings, application="test", min_size=1, max_size=8) as pool:
        yield pool


@pytest.fixture
async def lan(pool: asyncpg.Pool) -> Account:
    """An operator with a password of her own."""
    return (await accounts.create(pool, CHIEF, "Lan", Role.operator, password=PASSWORD))[0]


async def actions(pool: asyncpg.Pool) -> list[str]:
    """What the audit trail has, oldest first."""
    return [row["action"] for row in await pool.fetch("SELECT action FROM audit ORDER BY seq")]
