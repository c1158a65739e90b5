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
, priority INTEGER NOT NULL DEFAULT 0, defaults TEXT NOT NULL DEFAULT '[]', model TEXT NOT NULL DEFAULT '', tried TEXT NOT NULL DEFAULT '[]', demand TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
INSERT INTO "jobs" VALUES('20261127T231106.880-f80cf1','20261127T231106.880-f80cf1',NULL,'queued','caption','{"task": "caption", "image": "photo.png", "prompt": "", "max_new_tokens": null}',X'7461736B3A2063617074696F6E0A696D6167653A2070686F746F2E706E670A',X'',X'61626F7574','about',0,NULL,NULL,NULL,NULL,0,'[]','','[]','caption');
INSERT INTO "jobs" VALUES('20261127T231106.996-2bf575','20261127T231106.996-2bf575',NULL,'done','generate','{"task": "generate", "prompt": "a red circle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 7, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A20612072656420636972636C650A736565643A20370A',X'',X'636174','cat',1,'7514aad11431c9c665c9a5d3d1a6c3430b5eb2d1310b4a5bb9a0a9bb65728268',NULL,1.79582108554478406909e+09,18.7239,0,'[]','','[]','generate');
INSERT INTO "jobs" VALUES('20261127T231107.040-8a7a13-001','20261127T231107.040-8a7a13',1,'done','generate','{"task": "generate", "prompt": "a green ring", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 4232570846, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120677265656E2072696E670A',X'737562',X'7365766572616C2D31','several-1',1,'9a70be2f8b2e18e38b01ab2c1841384c82b8c1aa0231754fd9ba0cd28c3ee9d1',NULL,1.79582108613531851769e+09,19.2547,0,'[]','','[]','generate');
INSERT INTO "jobs" VALUES('20261127T231107.040-8a7a13-002','20261127T231107.040-8a7a13',2,'done','generate','{"task": "generate", "prompt": "a blue cross", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 4114641659, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120626C75652063726F73730A',X'737562',X'7365766572616C2D32','several-2',1,'452b0fbe592d237193243921e46d2e01994995c27f3f3b489749342512b7b6d0',NULL,1.79582108781599736214e+09,20.947,0,'[]','','[]','generate');
INSERT INTO "jobs" VALUES('20261127T231107.088-4ff27e','20261127T231107.088-4ff27e',NULL,'done','generate','{"task": "generate", "prompt": "a yellow triangle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 1817915146, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'612079656C6C6F7720747269616E676C650A',X'',X'776F726473','words',1,'6ea590ceb39084d7624b3a6b00e8320312d1aa0243cb3e4f3ac447dddba58ade',NULL,1.79582109102092170715e+09,24.1133,0,'[]','','[]','generate');
CREATE TABLE measured (
    model TEXT NOT NULL,
    device TEXT NOT NULL,
    dtype TEXT NOT NULL,
    rung TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    guided INTEGER NOT NULL,
    peak_bytes INTEGER NOT NULL,
    step_s REAL NOT NULL,
    refused_bytes INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    good_since INTEGER NOT NULL,
    size_good_since INTEGER NOT NULL,
    PRIMARY KEY (model, device, dtype, rung, width, height, batch, guided)
) WITHOUT ROWID;
INSERT INTO "measured" VALUES('aura-mini','AMD EPYC','bfloat16','cpu',64,64,1,1,523873536,1.2430797355991671238e-01,0,0,0,0);
CREATE TABLE named_images (
    path BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    source_id TEXT NOT NULL REFERENCES sources (id),
    PRIMARY KEY (path, size_bytes, modified_ns, source_id)
) WITHOUT ROWID;
INSERT INTO "named_images" VALUES(X'70686F746F2E706E67',4186,1795821064617510335,'20261127T231106.880-f80cf1');
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
INSERT INTO "sources" VALUES('20261127T231106.880-f80cf1',X'61626F75742E79616D6C','job_file','admitted',31,1795821064617510335,3287300,'485d5f150dc20bffc0aa4c61b656857195a85f2d898ee5ad40ef83cd0bcf39ef',2.04109353999228915199e-01,1.79582106691248512267e+09,NULL,'[]',X'61626F75742E79616D6C');
INSERT INTO "sources" VALUES('20261127T231106.961-e37b7f',X'6261642E79616D6C','job_file','closed',9,1795821064615628400,3287297,'3b50a64f053f945a756e0cd067bf663df18cab11e6b799cd894bf32aaa0a0257',2.04109353999228915199e-01,1.7958210669823253155e+09,'{"kind": "bad_input", "message": "unknown key", "mend": "Mend what the list of problems names, then move the file back into the inbox."}','[{"message": "unknown key", "file": "bad.yaml", "line": 1, "key": "promt", "given": "", "suggestion": "prompt"}]',X'6261642E79616D6C');
INSERT INTO "sources" VALUES('20261127T231106.996-2bf575',X'6361742E79616D6C','job_file','closed',29,1795821064615001975,3287295,'f0fdabe0155ff475dab80e035dfe9ba804af3434205798073ff123fec62071cd',2.04109353999228915199e-01,1.79582106701994657516e+09,NULL,'[]',X'6361742E79616D6C');
INSERT INTO "sources" VALUES('20261127T231107.040-8a7a13',X'7375622F7365766572616C2E79616D6C','job_file','closed',46,1795821064615001975,3287296,'6593e75bfac6fe6b1a183c9472d960dd336a0523c270a1e56db965bdf8c1f21b',2.04109353999228915199e-01,1.79582106706134486196e+09,NULL,'[]',X'7365766572616C2E79616D6C');
INSERT INTO "sources" VALUES('20261127T231107.088-4ff27e',X'776F7264732E747874','prompt_text','closed',18,1795821064617510335,3287301,'433c8d45da7817419ff5e13c448d6c111cab07a972bc9fd375a3701617efa3cc',2.04109353999228915199e-01,1.7958210671079919338e+09,NULL,'[]',X'776F7264732E747874');
CREATE INDEX sources_path ON sources (path);
CREATE INDEX sources_unfinished ON sources (id) WHERE state <> 'closed';
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_oldest ON jobs (state, id);
CREATE INDEX jobs_stem ON jobs (stem_key, folder);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX named_images_source ON named_images (source_id);
CREATE INDEX jobs_next ON jobs (state, kind, model, priority DESC, id);
CREATE INDEX sources_images ON sources (name) WHERE kind = 'image';
CREATE INDEX jobs_demand ON jobs (state, demand);
COMMIT;
PRAGMA user_version = 6;
