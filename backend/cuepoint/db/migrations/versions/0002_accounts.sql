-- Sessions and their tokens, passwords, scopes of API keys, and the audit log that only grows.
-- New columns are nullable or have a default: processes of the version before go on beside this one.

ALTER TABLE users ADD COLUMN password_hash VARCHAR;
ALTER TABLE users ADD COLUMN password_set_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE api_keys ADD COLUMN scope VARCHAR(32) DEFAULT 'MANAGE' NOT NULL;
ALTER TABLE api_keys ADD CONSTRAINT ck_api_keys_scope CHECK (scope IN ('READ', 'WRITE', 'MANAGE'));
ALTER TABLE api_keys ADD COLUMN project_ids UUID[];
ALTER TABLE api_keys ADD COLUMN rotated_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE api_keys ADD COLUMN last_used_ip VARCHAR;

CREATE TABLE sessions (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  access_hash VARCHAR NOT NULL,
  access_expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  refreshed_at TIMESTAMP WITH TIME ZONE,
  ended_at TIMESTAMP WITH TIME ZONE,
  ip VARCHAR,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT pk_sessions PRIMARY KEY (id),
  CONSTRAINT fk_sessions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT uq_sessions_access_hash UNIQUE (access_hash)
);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);
CREATE INDEX ix_sessions_user_id_created_at_id ON sessions (user_id, created_at, id);
COMMENT ON TABLE sessions IS 'Sign-ins; each refresh replaces both tokens of one.';
COMMENT ON COLUMN sessions.id IS 'Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.';
COMMENT ON COLUMN sessions.user_id IS 'Who signed in.';
COMMENT ON COLUMN sessions.access_hash IS 'SHA-256 of the access token in force.';
COMMENT ON COLUMN sessions.access_expires_at IS 'The access token is refused from then on.';
COMMENT ON COLUMN sessions.expires_at IS 'Without a refresh the session is over then.';
COMMENT ON COLUMN sessions.refreshed_at IS 'Last refresh; null = none yet.';
COMMENT ON COLUMN sessions.ended_at IS 'When it was ended; null = it was not.';
COMMENT ON COLUMN sessions.ip IS 'Address of the sign-in, as the API saw it.';
COMMENT ON COLUMN sessions.created_at IS 'By the database''s clock.';
CREATE TABLE refresh_tokens (
  token_hash VARCHAR NOT NULL,
  session_id UUID NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_refresh_tokens PRIMARY KEY (token_hash),
  CONSTRAINT fk_refresh_tokens_session_id_sessions FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE INDEX ix_refresh_tokens_session_id ON refresh_tokens (session_id);
COMMENT ON TABLE refresh_tokens IS 'Refresh tokens of sessions, each good for one use.';
COMMENT ON COLUMN refresh_tokens.token_hash IS 'SHA-256 of the token.';
COMMENT ON COLUMN refresh_tokens.session_id IS 'Its session.';
COMMENT ON COLUMN refresh_tokens.used_at IS 'When it was exchanged; a second use ends the session.';
CREATE TABLE sign_in_attempts (
  subject VARCHAR NOT NULL,
  failures INTEGER NOT NULL,
  locked_until TIMESTAMP WITH TIME ZONE,
  counted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT pk_sign_in_attempts PRIMARY KEY (subject)
);
CREATE INDEX ix_sign_in_attempts_counted_at ON sign_in_attempts (counted_at);
COMMENT ON TABLE sign_in_attempts IS 'Counts against guessing, shared by all processes; whether the account exists plays no part.';
COMMENT ON COLUMN sign_in_attempts.subject IS 'SHA-256 of `email:<lower case>` or `address:<ip>`; no personal data.';
COMMENT ON COLUMN sign_in_attempts.failures IS 'Attempts in a row without a success.';
COMMENT ON COLUMN sign_in_attempts.locked_until IS 'Refused unseen until then; null = not locked.';
COMMENT ON COLUMN sign_in_attempts.counted_at IS 'Last attempt that was counted.';
CREATE TABLE audit_events (
  id UUID NOT NULL,
  actor_id UUID,
  api_key_id UUID,
  action VARCHAR NOT NULL,
  node_type VARCHAR NOT NULL,
  node_id UUID NOT NULL,
  project_id UUID,
  before JSONB,
  after JSONB,
  request_id VARCHAR,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT pk_audit_events PRIMARY KEY (id)
);
CREATE INDEX ix_audit_events_actor_id_created_at_id ON audit_events (actor_id, created_at, id);
CREATE INDEX ix_audit_events_created_at_id ON audit_events (created_at, id);
CREATE INDEX ix_audit_events_node_id_created_at_id ON audit_events (node_id, created_at, id);
CREATE INDEX ix_audit_events_project_id_created_at_id ON audit_events (project_id, created_at, id);
COMMENT ON TABLE audit_events IS 'Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE.';
COMMENT ON COLUMN audit_events.id IS 'Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.';
COMMENT ON COLUMN audit_events.actor_id IS 'Who did it; null = nobody signed in, or the command line.';
COMMENT ON COLUMN audit_events.api_key_id IS 'With which API key; null = with a session, or none.';
COMMENT ON COLUMN audit_events.action IS 'What was done: a name of AuditAction.';
COMMENT ON COLUMN audit_events.node_type IS 'GraphQL type of what it was done to.';
COMMENT ON COLUMN audit_events.node_id IS 'Its key.';
COMMENT ON COLUMN audit_events.project_id IS 'The project that it belongs to; null = the instance.';
COMMENT ON COLUMN audit_events.before IS 'Fields that changed, as they were.';
COMMENT ON COLUMN audit_events.after IS 'The same fields as they are now.';
COMMENT ON COLUMN audit_events.request_id IS 'The request, as its answer and the log name it.';
COMMENT ON COLUMN audit_events.created_at IS 'By the database''s clock.';
COMMENT ON COLUMN users.password_hash IS 'Argon2id with its parameters and salt; null = cannot sign in with a password.';
COMMENT ON COLUMN users.password_set_at IS 'When the password was last set; null = none.';
COMMENT ON COLUMN api_keys.scope IS 'READ, WRITE or MANAGE: the most it may do.';
COMMENT ON COLUMN api_keys.project_ids IS 'The only projects it reaches; null = all of its user''s. No foreign key: one may be gone.';
COMMENT ON COLUMN api_keys.rotated_at IS 'When a new key took its place; null = never.';
COMMENT ON COLUMN api_keys.last_used_ip IS 'The address of that use, as the API saw it.';

create function audit_events_are_kept() returns trigger language plpgsql as $$
begin
  raise exception 'audit_events is append-only: % is refused', tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger audit_events_are_kept before update or delete or truncate on audit_events
  for each statement execute function audit_events_are_kept();
