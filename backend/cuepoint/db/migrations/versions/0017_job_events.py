"""Events of jobs without a foreign key: a trigger removes them with their job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BEFORE = "The job."
SINCE = "The job. No foreign key: each insertion would look the job up that its statement has just locked."

# Once for each statement that deletes jobs, a cascade from a project or a video included.
_FUNCTION = """
create function delete_job_events() returns trigger language plpgsql as $$
begin
  delete from job_events e using deleted_jobs j where e.job_id = j.id;
  return null;
end
$$
"""
_TRIGGER = """
create trigger delete_job_events after delete on jobs referencing old table as deleted_jobs
for each statement execute function delete_job_events()
"""


def upgrade() -> None:
    """Processes of the release before this one notice nothing."""
    op.execute(_FUNCTION)
    op.execute(_TRIGGER)
    op.drop_constraint("fk_job_events_job_id_jobs", "job_events", type_="foreignkey")
    op.alter_column("job_events", "job_id", existing_type=sa.Uuid(), comment=SINCE, existing_comment=BEFORE)


def downgrade() -> None:
    """The key finds the events of all jobs there: none outlives its job."""
    op.alter_column("job_events", "job_id", existing_type=sa.Uuid(), comment=BEFORE, existing_comment=SINCE)
    op.create_foreign_key("fk_job_events_job_id_jobs", "job_events", "jobs", ["job_id"], ["id"], ondelete="CASCADE")
    op.execute("drop trigger delete_job_events on jobs")
    op.execute("drop function delete_job_events()")
