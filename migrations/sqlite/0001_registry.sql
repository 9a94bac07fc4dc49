-- The registry: who may ask, what runs for them, where it searches, and who changed what.
--
-- Written for SQLite, in terms that have a PostgreSQL twin: INTEGER is BIGINT there and BLOB is BYTEA;
-- STRICT and the triggers' bodies are spelt differently. Instants are milliseconds since 1970 in UTC.
-- Columns named `sealed_…` hold envelopes of the vault: without the key file they say nothing.

-- One row. Every change counts `revision` up and appends one row to `audit_log`, in one transaction;
-- updating this row first is what puts writers in line.
CREATE TABLE registry (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision   INTEGER NOT NULL CHECK (revision >= 0),
    audit_head BLOB    NOT NULL CHECK (length(audit_head) = 32)
) STRICT;

INSERT INTO registry (id, revision, audit_head)
VALUES (1, 0, X'0000000000000000000000000000000000000000000000000000000000000000');

-- Append-only and hash-chained. It is also the feed by which other processes learn what to read anew.
CREATE TABLE audit_log (
    revision      INTEGER NOT NULL PRIMARY KEY,
    at            INTEGER NOT NULL,
    actor         TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    subject_kind  TEXT    NOT NULL,
    subject_id    TEXT    NOT NULL,
    detail        TEXT    NOT NULL,
    previous_hash BLOB    NOT NULL CHECK (length(previous_hash) = 32),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TRIGGER audit_log_is_not_rewritten BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_log_is_not_shortened BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TABLE customers (
    id              TEXT    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    settings        TEXT    NOT NULL, -- JSON
    sealed_data_key BLOB    NOT NULL,
    created_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE webhook_endpoints (
    customer_id TEXT    NOT NULL PRIMARY KEY REFERENCES customers (id),
    url         TEXT    NOT NULL,
    enabled     INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    changed_at  INTEGER NOT NULL
) STRICT;

-- Secrets belong to the customer, not to the endpoint: a request may name an endpoint of its own.
CREATE TABLE webhook_secrets (
    id            BLOB    NOT NULL PRIMARY KEY, -- UUID
    customer_id   TEXT    NOT NULL REFERENCES customers (id),
    sealed_secret BLOB    NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX webhook_secrets_of_customer ON webhook_secrets (customer_id);

-- The youngest key encrypts new tokens; all of them decrypt.
CREATE TABLE token_keys (
    id         BLOB    NOT NULL PRIMARY KEY,
    sealed_key BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    revision   INTEGER NOT NULL -- tells the youngest of two keys of one millisecond
) STRICT;

-- The tokens themselves are nowhere: these rows allow listing and revoking them.
CREATE TABLE tokens (
    id          BLOB    NOT NULL PRIMARY KEY, -- UUID
    customer_id TEXT    NOT NULL REFERENCES customers (id),
    kind        TEXT    NOT NULL CHECK (kind IN ('live', 'test')),
    issued_at   INTEGER NOT NULL,
    issued_by   TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER,
    revoked_by  TEXT
) STRICT;

CREATE INDEX tokens_of_customer ON tokens (customer_id);
CREATE INDEX tokens_revoked ON tokens (expires_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE plugin_blobs (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32), -- SHA-256
    bytes  BLOB NOT NULL
) STRICT;

CREATE TABLE plugin_versions (
    name      TEXT    NOT NULL,
    digest    BLOB    NOT NULL REFERENCES plugin_blobs (digest),
    roles     TEXT    NOT NULL, -- separated by spaces
    size      INTEGER NOT NULL,
    pushed_at INTEGER NOT NULL,
    pushed_by TEXT    NOT NULL,
    revision  INTEGER NOT NULL, -- of the last push: the highest is the name's newest version
    PRIMARY KEY (name, digest)
) STRICT;

CREATE TABLE bindings (
    customer_id   TEXT    NOT NULL REFERENCES customers (id),
    role          TEXT    NOT NULL,
    plugin_name   TEXT    NOT NULL,
    plugin_digest BLOB    NOT NULL,
    config        TEXT    NOT NULL, -- JSON
    bound_at      INTEGER NOT NULL,
    bound_by      TEXT    NOT NULL,
    PRIMARY KEY (customer_id, role),
    FOREIGN KEY (plugin_name, plugin_digest) REFERENCES plugin_versions (name, digest)
) STRICT;

-- Every binding that ever was, the present ones included.
CREATE TABLE binding_history (
    customer_id   TEXT    NOT NULL REFERENCES customers (id),
    role          TEXT    NOT NULL,
    revision      INTEGER NOT NULL,
    plugin_name   TEXT    NOT NULL,
    plugin_digest BLOB    NOT NULL,
    config        TEXT    NOT NULL,
    bound_at      INTEGER NOT NULL,
    bound_by      TEXT    NOT NULL,
    PRIMARY KEY (customer_id, role, revision)
) STRICT;

CREATE TABLE backends (
    id                 TEXT    NOT NULL PRIMARY KEY,
    base_url           TEXT    NOT NULL,
    adapter_name       TEXT    NOT NULL,
    adapter_digest     BLOB    NOT NULL,
    config             TEXT    NOT NULL, -- JSON
    sealed_credentials BLOB    NOT NULL,
    limits             TEXT    NOT NULL, -- JSON
    created_at         INTEGER NOT NULL,
    changed_at         INTEGER NOT NULL,
    FOREIGN KEY (adapter_name, adapter_digest) REFERENCES plugin_versions (name, digest)
) STRICT;

CREATE TABLE customer_backends (
    customer_id     TEXT    NOT NULL REFERENCES customers (id),
    position        INTEGER NOT NULL,
    backend_id      TEXT    NOT NULL REFERENCES backends (id),
    config_override TEXT, -- JSON
    PRIMARY KEY (customer_id, position),
    UNIQUE (customer_id, backend_id)
) STRICT;

CREATE TABLE admins (
    name       TEXT    NOT NULL PRIMARY KEY,
    token_hash BLOB    NOT NULL UNIQUE CHECK (length(token_hash) = 32), -- SHA-256 of 256 random bits
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    revoked_at INTEGER,
    revoked_by TEXT
) STRICT;
