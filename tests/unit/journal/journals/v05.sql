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
, priority INTEGER NOT NULL DEFAULT 0, defaults TEXT NOT NULL DEFAULT '[]', model TEXT NOT NULL DEFAULT '', tried TEXT NOT NULL DEFAULT '[]') WITHOUT ROWID;
INSERT INTO "jobs" VALUES('20261127T225804.246-3f1bab','20261127T225804.246-3f1bab',NULL,'queued','caption','{"task": "caption", "image": "photo.png", "prompt": "", "max_new_tokens": null}',X'7461736B3A2063617074696F6E0A696D6167653A2070686F746F2E706E670A',X'',X'61626F7574','about',0,NULL,NULL,NULL,NULL,0,'[]','','[]');
INSERT INTO "jobs" VALUES('20261127T225804.352-aaa207','20261127T225804.352-aaa207',NULL,'done','generate','{"task": "generate", "prompt": "a red circle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 7, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A20612072656420636972636C650A736565643A20370A',X'',X'636174','cat',1,'7514aad11431c9c665c9a5d3d1a6c3430b5eb2d1310b4a5bb9a0a9bb65728268',NULL,1.79582030211646747589e+09,17.9355,0,'[]','','[]');
INSERT INTO "jobs" VALUES('20261127T225804.382-b09a18-001','20261127T225804.382-b09a18',1,'done','generate','{"task": "generate", "prompt": "a green ring", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 2070273062, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120677265656E2072696E670A',X'737562',X'7365766572616C2D31','several-1',1,'b7acfca7bc30817a75c92ba23c0a7503053958f34f6bde6337257474c64b2c7c',NULL,1.79582030466436076169e+09,20.4555,0,'[]','','[]');
INSERT INTO "jobs" VALUES('20261127T225804.382-b09a18-002','20261127T225804.382-b09a18',2,'done','generate','{"task": "generate", "prompt": "a blue cross", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 2560944379, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120626C75652063726F73730A',X'737562',X'7365766572616C2D32','several-2',1,'4c0aa929877567df4987908e8f53cfdc51515f9c53bfc8a67495641dc13655f3',NULL,1.79582030681618595125e+09,22.605,0,'[]','','[]');
INSERT INTO "jobs" VALUES('20261127T225804.435-f620a7','20261127T225804.435-f620a7',NULL,'done','generate','{"task": "generate", "prompt": "a yellow triangle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 2053517424, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'612079656C6C6F7720747269616E676C650A',X'',X'776F726473','words',1,'1b637ae35d7345657596183aee845c7f84430defe751ab55dbdfb047089ad5f2',NULL,1.79582030926403641698e+09,25.0113,0,'[]','','[]');
CREATE TABLE measured (
    model TEXT NOT NULL,
    device TEXT NOT NULL,
    dtype TEXT NOT NULL,
    rung TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    peak_bytes INTEGER NOT NULL DEFAULT 0,
    step_s REAL NOT NULL DEFAULT 0,
    refused_bytes INTEGER NOT NULL DEFAULT 0,
    good_since INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (model, device, dtype, rung, width, height, batch)
) WITHOUT ROWID;
INSERT INTO "measured" VALUES('aura-mini','AMD EPYC','bfloat16','cpu',64,64,1,523351360,8.98015258400118865367e-02,0,0);
CREATE TABLE named_images (
    path BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    source_id TEXT NOT NULL REFERENCES sources (id),
    PRIMARY KEY (path, size_bytes, modified_ns, source_id)
) WITHOUT ROWID;
INSERT INTO "named_images" VALUES(X'70686F746F2E706E67',4186,1795820282196109122,'20261127T225804.246-3f1bab');
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
, name BLOB NOT NULL DEFAULT x'') WITHOUT ROWID;
INSERT INTO "sources" VALUES('20261127T225804.246-3f1bab',X'61626F75742E79616D6C','job_file','admitted',31,1795820282196109122,3245185,'485d5f150dc20bffc0aa4c61b656857195a85f2d898ee5ad40ef83cd0bcf39ef',2.11468588000570889562e-01,1.79582028428001070022e+09,NULL,'[]',X'61626F75742E79616D6C');
INSERT INTO "sources" VALUES('20261127T225804.320-0c78bb',X'6261642E79616D6C','job_file','closed',9,1795820282191650587,3245153,'3b50a64f053f945a756e0cd067bf663df18cab11e6b799cd894bf32aaa0a0257',2.11468588000570889562e-01,1.79582028434000277516e+09,'{"kind": "bad_input", "message": "unknown key", "mend": "Mend what the list of problems names, then move the file back into the inbox."}','[{"message": "unknown key", "file": "bad.yaml", "line": 1, "key": "promt", "given": "", "suggestion": "prompt"}]',X'6261642E79616D6C');
INSERT INTO "sources" VALUES('20261127T225804.352-aaa207',X'6361742E79616D6C','job_file','closed',29,1795820282191650587,3245122,'f0fdabe0155ff475dab80e035dfe9ba804af3434205798073ff123fec62071cd',2.11468588000570889562e-01,1.79582028436800694463e+09,NULL,'[]',X'6361742E79616D6C');
INSERT INTO "sources" VALUES('20261127T225804.382-b09a18',X'7375622F7365766572616C2E79616D6C','job_file','closed',46,1795820282191650587,3245137,'6593e75bfac6fe6b1a183c9472d960dd336a0523c270a1e56db965bdf8c1f21b',2.11468588000570889562e-01,1.79582028441205048558e+09,NULL,'[]',X'7365766572616C2E79616D6C');
INSERT INTO "sources" VALUES('20261127T225804.435-f620a7',X'776F7264732E747874','prompt_text','closed',18,1795820282196109122,3245201,'433c8d45da7817419ff5e13c448d6c111cab07a972bc9fd375a3701617efa3cc',2.11468588000570889562e-01,1.79582028445601129531e+09,NULL,'[]',X'776F7264732E747874');
CREATE INDEX sources_path ON sources (path);
CREATE INDEX sources_unfinished ON sources (id) WHERE state <> 'closed';
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_oldest ON jobs (state, id);
CREATE INDEX jobs_stem ON jobs (stem_key, folder);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX named_images_source ON named_images (source_id);
CREATE INDEX jobs_next ON jobs (state, kind, model, priority DESC, id);
CREATE INDEX sources_images ON sources (name) WHERE kind = 'image';
COMMIT;
PRAGMA user_version = 5;
