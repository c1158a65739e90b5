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
, priority INTEGER NOT NULL DEFAULT 0, defaults TEXT NOT NULL DEFAULT '[]', model TEXT NOT NULL DEFAULT '', tried TEXT NOT NULL DEFAULT '[]', demand TEXT NOT NULL DEFAULT '', begun TEXT) WITHOUT ROWID;
INSERT INTO "jobs" VALUES('20261127T230254.350-111636','20261127T230254.350-111636',NULL,'queued','caption','{"task": "caption", "image": "photo.png", "prompt": "", "max_new_tokens": null}',X'7461736B3A2063617074696F6E0A696D6167653A2070686F746F2E706E670A',X'',X'61626F7574','about',0,NULL,NULL,NULL,NULL,0,'[]','','[]','caption','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": null}');
INSERT INTO "jobs" VALUES('20261127T230254.480-7809e1','20261127T230254.480-7809e1',NULL,'done','generate','{"task": "generate", "prompt": "a red circle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 7, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A20612072656420636972636C650A736565643A20370A',X'',X'636174','cat',1,'7514aad11431c9c665c9a5d3d1a6c3430b5eb2d1310b4a5bb9a0a9bb65728268',NULL,1.79582058768676948541e+09,13.3779,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "AMD EPYC", "dtype": "bfloat16", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "expected_bytes": 553006922, "room_bytes": 23479562240, "total_bytes": 25276502016, "peak_bytes": 0}}');
INSERT INTO "jobs" VALUES('20261127T230254.524-5700ae-001','20261127T230254.524-5700ae',1,'done','generate','{"task": "generate", "prompt": "a green ring", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 1104591041, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120677265656E2072696E670A',X'737562',X'7365766572616C2D31','several-1',1,'f191f5975334c71c044b791dcea5ac88e096cfb939beba450779271148f706c1',NULL,1.79582058885640883445e+09,14.4679,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "AMD EPYC", "dtype": "bfloat16", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "expected_bytes": 605526548, "room_bytes": 23464783872, "total_bytes": 25276502016, "peak_bytes": 0}}');
INSERT INTO "jobs" VALUES('20261127T230254.524-5700ae-002','20261127T230254.524-5700ae',2,'done','generate','{"task": "generate", "prompt": "a blue cross", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 3953660845, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120626C75652063726F73730A',X'737562',X'7365766572616C2D32','several-2',1,'094bd8dfe8399e78b973ce3b8b5994d2012017686c6af97d344ea298a91672f5',NULL,1.7958205919448494911e+09,17.5848,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "AMD EPYC", "dtype": "bfloat16", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "expected_bytes": 605522329, "room_bytes": 23429386240, "total_bytes": 25276502016, "peak_bytes": 0}}');
INSERT INTO "jobs" VALUES('20261127T230254.576-df8d3b','20261127T230254.576-df8d3b',NULL,'done','generate','{"task": "generate", "prompt": "a yellow triangle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 1684219108, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'612079656C6C6F7720747269616E676C650A',X'',X'776F726473','words',1,'1ac3484f486d3d9d3900a37b6f8ffa197d920bd25473bb45f917fb14acc7b1e6',NULL,1.79582059354048228271e+09,19.129,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "AMD EPYC", "dtype": "bfloat16", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "expected_bytes": 605520220, "room_bytes": 23138844672, "total_bytes": 25276502016, "peak_bytes": 0}}');
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
INSERT INTO "measured" VALUES('aura-mini','AMD EPYC','bfloat16','cpu',64,64,1,1,522743808,5.06482029600010749681e-02,0,0,0,0);
CREATE TABLE named_images (
    path BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    source_id TEXT NOT NULL REFERENCES sources (id),
    PRIMARY KEY (path, size_bytes, modified_ns, source_id)
) WITHOUT ROWID;
INSERT INTO "named_images" VALUES(X'70686F746F2E706E67',4186,1795820571756333597,'20261127T230254.350-111636');
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
INSERT INTO "sources" VALUES('20261127T230254.350-111636',X'61626F75742E79616D6C','job_file','admitted',31,1795820571756333597,3270378,'485d5f150dc20bffc0aa4c61b656857195a85f2d898ee5ad40ef83cd0bcf39ef',2.00904170000285375863e-01,1.79582057438805890083e+09,NULL,'[]',X'61626F75742E79616D6C');
INSERT INTO "sources" VALUES('20261127T230254.448-d8f0ca',X'6261642E79616D6C','job_file','closed',9,1795820571747707784,3270376,'3b50a64f053f945a756e0cd067bf663df18cab11e6b799cd894bf32aaa0a0257',2.00904170000285375863e-01,1.79582057446798467638e+09,'{"kind": "bad_input", "message": "unknown key", "mend": "Mend what the list of problems names, then move the file back into the inbox."}','[{"message": "unknown key", "file": "bad.yaml", "line": 1, "key": "promt", "given": "", "suggestion": "prompt"}]',X'6261642E79616D6C');
INSERT INTO "sources" VALUES('20261127T230254.480-7809e1',X'6361742E79616D6C','job_file','closed',29,1795820571747707784,3270374,'f0fdabe0155ff475dab80e035dfe9ba804af3434205798073ff123fec62071cd',2.00904170000285375863e-01,1.79582057450399160385e+09,NULL,'[]',X'6361742E79616D6C');
INSERT INTO "sources" VALUES('20261127T230254.524-5700ae',X'7375622F7365766572616C2E79616D6C','job_file','closed',46,1795820571747707784,3270375,'6593e75bfac6fe6b1a183c9472d960dd336a0523c270a1e56db965bdf8c1f21b',2.00904170000285375863e-01,1.79582057455200695987e+09,NULL,'[]',X'7365766572616C2E79616D6C');
INSERT INTO "sources" VALUES('20261127T230254.576-df8d3b',X'776F7264732E747874','prompt_text','closed',18,1795820571756333597,3270379,'433c8d45da7817419ff5e13c448d6c111cab07a972bc9fd375a3701617efa3cc',2.00904170000285375863e-01,1.79582057460398101808e+09,NULL,'[]',X'776F7264732E747874');
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
PRAGMA user_version = 7;
