-- Everything that a node must not lose, in one file. Text ids are base64url as on the wire; hashes of the tree are raw.
-- Times are integer seconds except the columns that end in _ms. Booleans are 0 and 1.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE peers (
    did       TEXT    NOT NULL PRIMARY KEY,
    alias     TEXT    NOT NULL UNIQUE,
    country   TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    statement TEXT    NOT NULL,
    status    TEXT    NOT NULL CHECK (status IN ('pending', 'accepted', 'blocked')),
    addresses TEXT    NOT NULL,
    ks_min    INTEGER NOT NULL,
    speaks    TEXT    NOT NULL CHECK (speaks IN ('dxp', 'plain')),
    pinned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE key_sets (
    did    TEXT    NOT NULL,
    number INTEGER NOT NULL,
    jws    TEXT    NOT NULL,
    digest TEXT    NOT NULL,
    PRIMARY KEY (did, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
    secret_hash TEXT    NOT NULL PRIMARY KEY,
    expires     INTEGER NOT NULL,
    auto_accept INTEGER NOT NULL,
    redeemed_by TEXT,
    state       TEXT    NOT NULL CHECK (state IN ('open', 'redeemed', 'revoked')),
    created     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE datasets (
    id            TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    listing       TEXT    NOT NULL,
    digest        TEXT    NOT NULL UNIQUE,
    root_path     TEXT    NOT NULL,
    summary       TEXT    NOT NULL,
    content_root  TEXT    NOT NULL,
    policy        TEXT    NOT NULL,
    facts         TEXT    NOT NULL,
    private_facts TEXT    NOT NULL,
    approval      TEXT    NOT NULL CHECK (approval IN ('auto', 'ask')),
    withdrawn     INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    PRIMARY KEY (id, version)
) STRICT, WITHOUT ROWID;

-- Apart from the rows that catalogs list: a file list can be many megabytes.
CREATE TABLE file_lists (
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL,
    bytes   BLOB    NOT NULL,
    UNIQUE (id, version)
) STRICT;

CREATE TABLE chunk_hashes (
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL,
    file    INTEGER NOT NULL,
    hashes  BLOB    NOT NULL,
    UNIQUE (id, version, file)
) STRICT;

CREATE TABLE exchanges (
    id          TEXT    NOT NULL PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind IN ('negotiation', 'transfer')),
    role        TEXT    NOT NULL CHECK (role IN ('provider', 'consumer')),
    peer        TEXT    NOT NULL,
    our_pid     TEXT    NOT NULL UNIQUE,
    peer_pid    TEXT,
    initiator   TEXT    NOT NULL CHECK (initiator IN ('us', 'peer')),
    state       TEXT    NOT NULL,
    machine     TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    wrapped_key BLOB,
    data        TEXT    NOT NULL,
    deadline    INTEGER,
    waits_for   TEXT,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL
) STRICT;
-- First messages serialise by (peer, initiator's pid): the loser of a race is refused here.
CREATE UNIQUE INDEX exchanges_peer_pid ON exchanges (peer, kind, peer_pid) WHERE peer_pid IS NOT NULL;
CREATE INDEX exchanges_updated ON exchanges (updated);
-- Live exchanges of a peer are counted before a new one is begun.
CREATE INDEX exchanges_live ON exchanges (peer) WHERE waits_for IS NOT NULL;
CREATE INDEX exchanges_deadline ON exchanges (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE acts (
    digest     TEXT    NOT NULL PRIMARY KEY,
    exchange   TEXT    NOT NULL,
    direction  TEXT    NOT NULL CHECK (direction IN ('in', 'out')),
    msg        TEXT    NOT NULL,
    iss        TEXT    NOT NULL,
    aud        TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    method     TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    prev       TEXT,
    token      TEXT,
    ks         INTEGER NOT NULL,
    entry      INTEGER,
    covered    INTEGER,
    status     INTEGER,
    answer     BLOB,
    ack        TEXT,
    ack_digest TEXT,
    ack_logged INTEGER NOT NULL,
    named      INTEGER NOT NULL,
    dropped    INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    UNIQUE (iss, msg)
) STRICT;
CREATE INDEX acts_exchange ON acts (exchange, created);
CREATE INDEX acts_unlogged ON acts (ack_logged) WHERE ack_logged = 0 AND ack IS NOT NULL;

CREATE TABLE outbox (
    act         TEXT    NOT NULL PRIMARY KEY,
    exchange    TEXT    NOT NULL,
    peer        TEXT    NOT NULL,
    method      TEXT    NOT NULL,
    path        TEXT    NOT NULL,
    headers     TEXT    NOT NULL,
    next_at_ms  INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('waiting', 'unresolved')),
    last_error  TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (state, next_at_ms);
CREATE INDEX outbox_peer ON outbox (peer);

CREATE TABLE entries (
    idx      INTEGER NOT NULL PRIMARY KEY,
    leaf     BLOB    NOT NULL,
    hash     BLOB    NOT NULL,
    kind     TEXT    NOT NULL,
    exchange TEXT,
    act      TEXT,
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX entries_exchange ON entries (exchange, idx) WHERE exchange IS NOT NULL;
CREATE INDEX entries_act ON entries (act) WHERE act IS NOT NULL;

CREATE TABLE disclosures (
    idx      INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    text     TEXT    NOT NULL,
    erasable INTEGER NOT NULL,
    PRIMARY KEY (idx, name)
) STRICT, WITHOUT ROWID;

-- Complete subtrees above the leaves; level 0 is entries.hash.
CREATE TABLE nodes (
    level INTEGER NOT NULL,
    idx   INTEGER NOT NULL,
    hash  BLOB    NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    size INTEGER NOT NULL PRIMARY KEY,
    root BLOB    NOT NULL,
    note TEXT    NOT NULL
) STRICT;

-- The one row that every commit compares and swaps.
CREATE TABLE head (
    id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL,
    root BLOB    NOT NULL
) STRICT;

CREATE TABLE lanes (
    lane TEXT    NOT NULL PRIMARY KEY,
    n    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE peer_logs (
    did    TEXT    NOT NULL,
    origin TEXT    NOT NULL,
    size   INTEGER NOT NULL,
    root   BLOB    NOT NULL,
    note   TEXT    NOT NULL,
    seen   INTEGER NOT NULL,
    PRIMARY KEY (did, origin)
) STRICT, WITHOUT ROWID;

-- What peers have shown of their logs and we have not yet compared with the checkpoint held in peer_logs.
CREATE TABLE peer_claims (
    did    TEXT    NOT NULL,
    origin TEXT    NOT NULL,
    size   INTEGER NOT NULL,
    root   BLOB    NOT NULL,
    note   TEXT    NOT NULL,
    seen   INTEGER NOT NULL,
    PRIMARY KEY (did, origin)
) STRICT, WITHOUT ROWID;

CREATE TABLE peer_acts (
    exchange TEXT    NOT NULL,
    act      TEXT    NOT NULL,
    peer     TEXT    NOT NULL,
    origin   TEXT    NOT NULL,
    idx      INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (exchange, act)
) STRICT, WITHOUT ROWID;
CREATE INDEX peer_acts_idx ON peer_acts (peer, origin, idx);

CREATE TABLE evaluations (
    digest   TEXT    NOT NULL,
    exchange TEXT    NOT NULL,
    record   BLOB    NOT NULL,
    shared   TEXT    NOT NULL,
    private  TEXT    NOT NULL,
    phase    TEXT    NOT NULL,
    side     TEXT    NOT NULL CHECK (side IN ('exporter', 'importer')),
    created  INTEGER NOT NULL,
    PRIMARY KEY (exchange, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX evaluations_digest ON evaluations (digest);

CREATE TABLE agreements (
    digest       TEXT    NOT NULL PRIMARY KEY,
    exchange     TEXT    NOT NULL,
    jws          TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('signed', 'in_force', 'lapsed', 'ended')),
    finalized_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX agreements_exchange ON agreements (exchange);

CREATE TABLE transfers (
    exchange   TEXT NOT NULL PRIMARY KEY,
    progress   TEXT NOT NULL,
    window_ack TEXT,
    receipt    TEXT
) STRICT, WITHOUT ROWID;

-- The empty log: size 0, the digest of nothing.
INSERT INTO head (id, size, root)
VALUES (1, 0, x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
