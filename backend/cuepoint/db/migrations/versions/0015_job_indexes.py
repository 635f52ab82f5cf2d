"""Keys of jobs are indexed where there is one: each transition writes a new entry into every index of its row."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LIVE = "status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING')"
# name, column, where it was, where it is
INDEXES = (
    ("uq_jobs_system_key", "system_key", "", "where system_key is not null"),
    ("uq_jobs_dedupe_key", "dedupe_key", f"where {LIVE}", f"where dedupe_key is not null and {LIVE}"),
)


def upgrade() -> None:
    """A query by a key implies that it is not null, and goes on using the index."""
    for name, column, _, where in INDEXES:
        _build(name, column, where)
    for name, *_ in INDEXES:
        _exchange(name)


def downgrade() -> None:
    """Nothing is lost."""
    for name, column, where, _ in INDEXES:
        _build(name, column, where)
    for name, *_ in INDEXES:
        _exchange(name)


def _build(name: str, column: str, where: str) -> None:
    op.execute(f"create unique index {name}_new on jobs ({column}) {where}")


def _exchange(name: str) -> None:
    """Shuts out whoever reads `jobs`: last, when nothing that takes long is left."""
    op.execute(f"drop index {name}")
    op.execute(f"alter index {name}_new rename to {name}")
