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
, priority INTEGER NOT NULL DEFAULT 0, defaults TEXT NOT NULL DEFAULT '[]', model TEXT NOT NULL DEFAULT '', tried TEXT NOT NULL DEFAULT '[]', demand TEXT NOT NULL DEFAULT '', begun TEXT, waits_for TEXT NOT NULL DEFAULT '[]') WITHOUT ROWID;
INSERT INTO "jobs" VALUES('20261127T225947.482-14ec81','20261127T225947.482-14ec81',NULL,'queued','caption','{"task": "caption", "image": "photo.png", "prompt": "", "max_new_tokens": null}',X'7461736B3A2063617074696F6E0A696D6167653A2070686F746F2E706E670A',X'',X'61626F7574','about',0,NULL,NULL,NULL,NULL,0,'[]','','[]','caption','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": null}','[]');
INSERT INTO "jobs" VALUES('20261127T225947.688-4278b5','20261127T225947.688-4278b5',NULL,'done','generate','{"task": "generate", "prompt": "a red circle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 7, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A20612072656420636972636C650A736565643A20370A',X'',X'636174','cat',1,'7514aad11431c9c665c9a5d3d1a6c3430b5eb2d1310b4a5bb9a0a9bb65728268',NULL,1.79582042413608098025e+09,36.6075,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "AMD EPYC", "dtype": "bfloat16", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 561714690, "room_bytes": 21218762752, "total_bytes": 25276502016, "peak_bytes": 0}}','[]');
INSERT INTO "jobs" VALUES('20261127T225947.744-93aca3-001','20261127T225947.744-93aca3',1,'done','generate','{"task": "generate", "prompt": "a green ring", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 2926987534, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120677265656E2072696E670A',X'737562',X'7365766572616C2D31','several-1',1,'97a056f141b20323bfdef5a2a38a5c45c8140d3450271ef4712bb54cacbe6da5',NULL,1.79582042484011030194e+09,37.2524,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "AMD EPYC", "dtype": "bfloat16", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 615867023, "room_bytes": 21775147008, "total_bytes": 25276502016, "peak_bytes": 0}}','[]');
INSERT INTO "jobs" VALUES('20261127T225947.744-93aca3-002','20261127T225947.744-93aca3',2,'done','generate','{"task": "generate", "prompt": "a blue cross", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 3519617985, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120626C75652063726F73730A',X'737562',X'7365766572616C2D32','several-2',1,'3a23506b22f50dd6c0eb15fd69963029c2a4ccfa1d7b21a815c18b3846cbc9e6',NULL,1.79582042549223160738e+09,37.9104,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "AMD EPYC", "dtype": "bfloat16", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 615805849, "room_bytes": 21818130432, "total_bytes": 25276502016, "peak_bytes": 0}}','[]');
INSERT INTO "jobs" VALUES('20261127T225947.801-98d887','20261127T225947.801-98d887',NULL,'done','generate','{"task": "generate", "prompt": "a yellow triangle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 3281793300, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'612079656C6C6F7720747269616E676C650A',X'',X'776F726473','words',1,'a42255ef3e71097b3a1a65050a714ee075c44a82e0050ef620a77a2e2608acca',NULL,1.79582042690405964844e+09,39.2592,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "AMD EPYC", "dtype": "bfloat16", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 615758914, "room_bytes": 21789483008, "total_bytes": 25276502016, "peak_bytes": 0}}','[]');
CREATE TABLE measured (
    model TEXT NOT NULL,
    device TEXT NOT NULL,
    dtype TEXT NOT NULL,
    rung TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    guided INTEGER NOT NULL,
    variant TEXT NOT NULL DEFAULT 'eager',
    peak_bytes INTEGER NOT NULL,
    step_s REAL NOT NULL,
    refused_bytes INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    good_since INTEGER NOT NULL,
    size_good_since INTEGER NOT NULL,
    PRIMARY KEY (model, device, dtype, rung, width, height, batch, guided, variant)
) WITHOUT ROWID;
INSERT INTO "measured" VALUES('aura-mini','AMD EPYC','bfloat16','cpu',64,64,1,1,'eager',532637824,5.02822587917156268999e-02,0,0,0,0);
CREATE TABLE named_images (
    path BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    source_id TEXT NOT NULL REFERENCES sources (id),
    PRIMARY KEY (path, size_bytes, modified_ns, source_id)
) WITHOUT ROWID;
INSERT INTO "named_images" VALUES(X'70686F746F2E706E67',4186,1795820382359071094,'20261127T225947.482-14ec81');
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
INSERT INTO "sources" VALUES('20261127T225947.482-14ec81',X'61626F75742E79616D6C','job_file','admitted',31,1795820382359071094,3254742,'485d5f150dc20bffc0aa4c61b656857195a85f2d898ee5ad40ef83cd0bcf39ef',2.03436515999783296138e-01,1.79582038754799818997e+09,NULL,'[]',X'61626F75742E79616D6C');
INSERT INTO "sources" VALUES('20261127T225947.628-4e56b6',X'6261642E79616D6C','job_file','closed',9,1795820382355647747,3254740,'3b50a64f053f945a756e0cd067bf663df18cab11e6b799cd894bf32aaa0a0257',2.03436515999783296138e-01,1.79582038766001081462e+09,'{"kind": "bad_input", "message": "unknown key", "mend": "Mend what the list of problems names, then move the file back into the inbox."}','[{"message": "unknown key", "file": "bad.yaml", "line": 1, "key": "promt", "given": "", "suggestion": "prompt"}]',X'6261642E79616D6C');
INSERT INTO "sources" VALUES('20261127T225947.688-4278b5',X'6361742E79616D6C','job_file','closed',29,1795820382355647747,3254738,'f0fdabe0155ff475dab80e035dfe9ba804af3434205798073ff123fec62071cd',2.03436515999783296138e-01,1.79582038770724678041e+09,NULL,'[]',X'6361742E79616D6C');
INSERT INTO "sources" VALUES('20261127T225947.744-93aca3',X'7375622F7365766572616C2E79616D6C','job_file','closed',46,1795820382355647747,3254739,'6593e75bfac6fe6b1a183c9472d960dd336a0523c270a1e56db965bdf8c1f21b',2.03436515999783296138e-01,1.79582038777442574498e+09,NULL,'[]',X'7365766572616C2E79616D6C');
INSERT INTO "sources" VALUES('20261127T225947.801-98d887',X'776F7264732E747874','prompt_text','closed',18,1795820382359071094,3254743,'433c8d45da7817419ff5e13c448d6c111cab07a972bc9fd375a3701617efa3cc',2.03436515999783296138e-01,1.79582038782799386983e+09,NULL,'[]',X'776F7264732E747874');
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
PRAGMA user_version = 9;
