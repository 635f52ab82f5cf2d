"""The door to quotas for the rest of the program: their limits, what they refuse, and what was used up."""

from __future__ import annotations

from cuepoint.features.quotas.checks import (
    check_call,
    check_job,
    check_media,
    check_storage,
    check_usage,
    hold,
    storage_room,
)
from cuepoint.features.quotas.limits import (
    MAX_LIMIT,
    Limits,
    Scope,
    State,
    quota_state,
    set_quota,
    states_of_projects,
)
from cuepoint.features.quotas.usage import record_media, record_uses, settle

__all__ = [
    "MAX_LIMIT",
    "Limits",
    "Scope",
    "State",
    "check_call",
    "check_job",
    "check_media",
    "check_storage",
    "check_usage",
    "hold",
    "quota_state",
    "record_media",
    "record_uses",
    "set_quota",
    "settle",
    "states_of_projects",
    "storage_room",
]
