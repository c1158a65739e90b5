BEGIN TRANSACTION;
CREATE TABLE companions (
    path BLOB PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    source_id TEXT NOT NULL REFERENCES sources (id),
    number INTEGER,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    text BLOB NOT NULL,
    folder BLOB NOT NULL,
    stem BLOB NOT NULL,
    stem_key TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    payload_sha256 TEXT,
    failure TEXT,
    finished_at REAL,
    total_s REAL
, priority INTEGER NOT NULL DEFAULT 0, defaults TEXT NOT NULL DEFAULT '[]', model TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
INSERT INTO "jobs" VALUES('20261127T225720.549-f054e7','20261127T225720.549-f054e7',NULL,'queued','caption','{"task": "caption", "image": "photo.png", "prompt": "", "max_new_tokens": null}',X'7461736B3A2063617074696F6E0A696D6167653A2070686F746F2E706E670A',X'',X'61626F7574','about',0,NULL,NULL,NULL,NULL,0,'[]','');
INSERT INTO "jobs" VALUES('20261127T225720.615-580d04','20261127T225720.615-580d04',NULL,'done','generate','{"task": "generate", "prompt": "a red circle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 7, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A20612072656420636972636C650A736565643A20370A',X'',X'636174','cat',1,'7514aad11431c9c665c9a5d3d1a6c3430b5eb2d1310b4a5bb9a0a9bb65728268',NULL,1.7958202566959946155e+09,16.2552,0,'[]','');
INSERT INTO "jobs" VALUES('20261127T225720.640-cfdeab-001','20261127T225720.640-cfdeab',1,'done','generate','{"task": "generate", "prompt": "a green ring", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 2629373136, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120677265656E2072696E670A',X'737562',X'7365766572616C2D31','several-1',1,'73bcc6e727d0a669398593d73f8391f9358b79d186c88f982ac8512359bc34ec',NULL,1.79582025798855543139e+09,17.5106,0,'[]','');
INSERT INTO "jobs" VALUES('20261127T225720.640-cfdeab-002','20261127T225720.640-cfdeab',2,'done','generate','{"task": "generate", "prompt": "a blue cross", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 3881000097, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120626C75652063726F73730A',X'737562',X'7365766572616C2D32','several-2',1,'7063757b6f3a0350392ae089fc47bfe050d6bc34cfcf1e01e399fc945f28c82e',NULL,1.7958202586639995575e+09,18.1951,0,'[]','');
INSERT INTO "jobs" VALUES('20261127T225720.668-d7cf96','20261127T225720.668-d7cf96',NULL,'done','generate','{"task": "generate", "prompt": "a yellow triangle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 354552351, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'612079656C6C6F7720747269616E676C650A',X'',X'776F726473','words',1,'c45da02cb7a6af42950a9acc864a9999bd18f57f99ba35996ec72bfafefacde1',NULL,1.79582025963960194587e+09,19.1525,0,'[]','');
CREATE TABLE named_images (
    path BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    source_id TEXT NOT NULL REFERENCES sources (id),
    PRIMARY KEY (path, size_bytes, modified_ns, source_id)
) WITHOUT ROWID;
INSERT INTO "named_images" VALUES(X'70686F746F2E706E67',4186,1795820238162159650,'20261127T225720.549-f054e7');
CREATE TABLE sources (
    id TEXT PRIMARY KEY,
    path BLOB NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    sha256 TEXT NOT NULL DEFAULT '',
    settled_s REAL NOT NULL,
    claimed_at REAL NOT NULL,
    failure TEXT,
    problems TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;
INSERT INTO "sources" VALUES('20261127T225720.549-f054e7',X'61626F75742E79616D6C','job_file','admitted',31,1795820238163651836,3222558,'485d5f150dc20bffc0aa4c61b656857195a85f2d898ee5ad40ef83cd0bcf39ef',2.03222217998700216412e-01,1.795820240568026781e+09,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T225720.596-b751fe',X'6261642E79616D6C','job_file','closed',9,1795820238159651836,3222556,'3b50a64f053f945a756e0cd067bf663df18cab11e6b799cd894bf32aaa0a0257',2.03222217998700216412e-01,1.79582024060112190252e+09,'{"kind": "bad_input", "message": "unknown key", "mend": "Mend what the list of problems names, then move the file back into the inbox."}','[{"message": "unknown key", "file": "bad.yaml", "line": 1, "key": "promt", "given": "", "suggestion": "prompt"}]');
INSERT INTO "sources" VALUES('20261127T225720.615-580d04',X'6361742E79616D6C','job_file','closed',29,1795820238159651836,3222554,'f0fdabe0155ff475dab80e035dfe9ba804af3434205798073ff123fec62071cd',2.03222217998700216412e-01,1.79582024063194847099e+09,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T225720.640-cfdeab',X'7375622F7365766572616C2E79616D6C','job_file','closed',46,1795820238159651836,3222555,'6593e75bfac6fe6b1a183c9472d960dd336a0523c270a1e56db965bdf8c1f21b',2.03222217998700216412e-01,1.79582024066004657743e+09,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T225720.668-d7cf96',X'776F7264732E747874','prompt_text','closed',18,1795820238163651836,3222559,'433c8d45da7817419ff5e13c448d6c111cab07a972bc9fd375a3701617efa3cc',2.03222217998700216412e-01,1.79582024068403172493e+09,NULL,'[]');
CREATE INDEX sources_path ON sources (path);
CREATE INDEX sources_unfinished ON sources (id) WHERE state <> 'closed';
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_oldest ON jobs (state, id);
CREATE INDEX jobs_stem ON jobs (stem_key, folder);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX named_images_source ON named_images (source_id);
CREATE INDEX jobs_next ON jobs (state, kind, model, priority DESC, id);
COMMIT;
PRAGMA user_version = 3;
