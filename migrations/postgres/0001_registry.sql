-- The registry: who may ask, what runs for them, where it searches, and who changed what.
--
-- The PostgreSQL twin of the file of the same name in `sqlite/`: INTEGER there is BIGINT here, BLOB is
-- BYTEA, and the triggers are spelt differently. Texts are compared byte by byte (COLLATE "C"), as SQLite
-- does: in the same order everywhere, and with indexes that no change of a locale damages. Instants are
-- milliseconds since 1970 in UTC.
-- Columns named `sealed_…` hold envelopes of the vault: without the key file they say nothing.

-- One row. Every change counts `revision` up and appends one row to `audit_log`, in one transaction;
-- updating this row first is what puts writers in line.
CREATE TABLE registry (
    id         BIGINT           NOT NULL PRIMARY KEY CHECK (id = 1),
    revision   BIGINT           NOT NULL CHECK (revision >= 0),
    audit_head BYTEA            NOT NULL CHECK (length(audit_head) = 32)
);

INSERT INTO registry (id, revision, audit_head)
VALUES (1, 0, '\x0000000000000000000000000000000000000000000000000000000000000000');

-- Append-only and hash-chained. It is also the feed by which other processes learn what to read anew.
CREATE TABLE audit_log (
    revision      BIGINT           NOT NULL PRIMARY KEY,
    at            BIGINT           NOT NULL,
    actor         TEXT COLLATE "C" NOT NULL,
    action        TEXT COLLATE "C" NOT NULL,
    subject_kind  TEXT COLLATE "C" NOT NULL,
    subject_id    TEXT COLLATE "C" NOT NULL,
    detail        TEXT COLLATE "C" NOT NULL,
    previous_hash BYTEA            NOT NULL CHECK (length(previous_hash) = 32),
    hash          BYTEA            NOT NULL CHECK (length(hash) = 32)
);

CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;

CREATE TRIGGER audit_log_is_not_rewritten BEFORE UPDATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

CREATE TRIGGER audit_log_is_not_shortened BEFORE DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

CREATE TABLE customers (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name            TEXT COLLATE "C" NOT NULL,
    settings        TEXT COLLATE "C" NOT NULL, -- JSON
    sealed_data_key BYTEA            NOT NULL,
    created_at      BIGINT           NOT NULL
);

CREATE TABLE webhook_endpoints (
    customer_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES customers (id),
    url         TEXT COLLATE "C" NOT NULL,
    enabled     BIGINT           NOT NULL CHECK (enabled IN (0, 1)),
    changed_at  BIGINT           NOT NULL
);

-- Secrets belong to the customer, not to the endpoint: a request may name an endpoint of its own.
CREATE TABLE webhook_secrets (
    id            BYTEA            NOT NULL PRIMARY KEY, -- UUID
    customer_id   TEXT COLLATE "C" NOT NULL REFERENCES customers (id),
    sealed_secret BYTEA            NOT NULL,
    created_at    BIGINT           NOT NULL
);

CREATE INDEX webhook_secrets_of_customer ON webhook_secrets (customer_id);

-- The youngest key encrypts new tokens; all of them decrypt.
CREATE TABLE token_keys (
    id         BYTEA            NOT NULL PRIMARY KEY,
    sealed_key BYTEA            NOT NULL,
    created_at BIGINT           NOT NULL,
    revision   BIGINT           NOT NULL -- tells the youngest of two keys of one millisecond
);

-- The tokens themselves are nowhere: these rows allow listing and revoking them.
CREATE TABLE tokens (
    id          BYTEA            NOT NULL PRIMARY KEY, -- UUID
    customer_id TEXT COLLATE "C" NOT NULL REFERENCES customers (id),
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('live', 'test')),
    issued_at   BIGINT           NOT NULL,
    issued_by   TEXT COLLATE "C" NOT NULL,
    expires_at  BIGINT           NOT NULL,
    revoked_at  BIGINT,
    revoked_by  TEXT COLLATE "C"
);

CREATE INDEX tokens_of_customer ON tokens (customer_id);
CREATE INDEX tokens_revoked ON tokens (expires_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE plugin_blobs (
    digest BYTEA            NOT NULL PRIMARY KEY CHECK (length(digest) = 32), -- SHA-256
    bytes  BYTEA            NOT NULL
);

CREATE TABLE plugin_versions (
    name      TEXT COLLATE "C" NOT NULL,
    digest    BYTEA            NOT NULL REFERENCES plugin_blobs (digest),
    roles     TEXT COLLATE "C" NOT NULL, -- separated by spaces
    size      BIGINT           NOT NULL,
    pushed_at BIGINT           NOT NULL,
    pushed_by TEXT COLLATE "C" NOT NULL,
    revision  BIGINT           NOT NULL, -- of the last push: the highest is the name's newest version
    PRIMARY KEY (name, digest)
);

CREATE TABLE bindings (
    customer_id   TEXT COLLATE "C" NOT NULL REFERENCES customers (id),
    role          TEXT COLLATE "C" NOT NULL,
    plugin_name   TEXT COLLATE "C" NOT NULL,
    plugin_digest BYTEA            NOT NULL,
    config        TEXT COLLATE "C" NOT NULL, -- JSON
    bound_at      BIGINT           NOT NULL,
    bound_by      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (customer_id, role),
    FOREIGN KEY (plugin_name, plugin_digest) REFERENCES plugin_versions (name, digest)
);

-- Every binding that ever was, the present ones included.
CREATE TABLE binding_history (
    customer_id   TEXT COLLATE "C" NOT NULL REFERENCES customers (id),
    role          TEXT COLLATE "C" NOT NULL,
    revision      BIGINT           NOT NULL,
    plugin_name   TEXT COLLATE "C" NOT NULL,
    plugin_digest BYTEA            NOT NULL,
    config        TEXT COLLATE "C" NOT NULL,
    bound_at      BIGINT           NOT NULL,
    bound_by      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (customer_id, role, revision)
);

CREATE TABLE backends (
    id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    base_url           TEXT COLLATE "C" NOT NULL,
    adapter_name       TEXT COLLATE "C" NOT NULL,
    adapter_digest     BYTEA            NOT NULL,
    config             TEXT COLLATE "C" NOT NULL, -- JSON
    sealed_credentials BYTEA            NOT NULL,
    limits             TEXT COLLATE "C" NOT NULL, -- JSON
    created_at         BIGINT           NOT NULL,
    changed_at         BIGINT           NOT NULL,
    FOREIGN KEY (adapter_name, adapter_digest) REFERENCES plugin_versions (name, digest)
);

CREATE TABLE customer_backends (
    customer_id     TEXT COLLATE "C" NOT NULL REFERENCES customers (id),
    position        BIGINT           NOT NULL,
    backend_id      TEXT COLLATE "C" NOT NULL REFERENCES backends (id),
    config_override TEXT COLLATE "C", -- JSON
    PRIMARY KEY (customer_id, position),
    UNIQUE (customer_id, backend_id)
);

CREATE TABLE admins (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    token_hash BYTEA            NOT NULL UNIQUE CHECK (length(token_hash) = 32), -- SHA-256 of 256 random bits
    created_at BIGINT           NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    revoked_at BIGINT,
    revoked_by TEXT COLLATE "C"
);
