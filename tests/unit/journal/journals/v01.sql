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
) WITHOUT ROWID;
INSERT INTO "jobs" VALUES('20261127T230207.518-5cbc99','20261127T230207.518-5cbc99',NULL,'queued','caption','{"task": "caption", "image": "photo.png", "prompt": "", "max_new_tokens": null}',X'7461736B3A2063617074696F6E0A696D6167653A2070686F746F2E706E670A',X'',X'61626F7574','about',0,NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES('20261127T230207.624-962734','20261127T230207.624-962734',NULL,'done','generate','{"task": "generate", "prompt": "a red circle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 7, "aspect_ratio": null, "width": null, "height": null}',X'70726F6D70743A20612072656420636972636C650A736565643A20370A',X'',X'636174','cat',1,'977a94359b91f5e7d468dfab6e6a9919387a4ae2feb2b12b4798f4ec898e4da1',NULL,1.79582055850425934785e+09,31.0596);
INSERT INTO "jobs" VALUES('20261127T230207.640-2fa9a7','20261127T230207.640-2fa9a7',NULL,'queued','caption','{"task": "caption", "image": null, "prompt": "", "max_new_tokens": null}',X'',X'',X'70686F746F','photo',0,NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES('20261127T230207.654-802777-001','20261127T230207.654-802777',1,'done','generate','{"task": "generate", "prompt": "a green ring", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 4294915943, "aspect_ratio": null, "width": null, "height": null}',X'70726F6D70743A206120677265656E2072696E670A',X'737562',X'7365766572616C2D31','several-1',1,'a0e7fb92ec9923b0995fa658aac7b0deb6fefd94dcba42b134ae1e6be87ead16',NULL,1.79582056076803731918e+09,33.2972);
INSERT INTO "jobs" VALUES('20261127T230207.654-802777-002','20261127T230207.654-802777',2,'done','generate','{"task": "generate", "prompt": "a blue cross", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 2761880113, "aspect_ratio": null, "width": null, "height": null}',X'70726F6D70743A206120626C75652063726F73730A',X'737562',X'7365766572616C2D32','several-2',1,'756ae2c9062aae18f5c69f3e1a6b78fa8ad913e3c2720408323d88e83a16373a',NULL,1.79582056183601212499e+09,34.3652);
INSERT INTO "jobs" VALUES('20261127T230207.676-3d39d4','20261127T230207.676-3d39d4',NULL,'done','generate','{"task": "generate", "prompt": "a yellow triangle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 1739676200, "aspect_ratio": null, "width": null, "height": null}',X'612079656C6C6F7720747269616E676C650A',X'',X'776F726473','words',1,'983022fc3837e2c584c5e79d322eebe521eae76b5ce5ea0d2522afe1513db521',NULL,1.79582056764809751508e+09,40.1447);
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
INSERT INTO "sources" VALUES('20261127T230207.518-5cbc99',X'61626F75742E79616D6C','job_file','admitted',31,1795820526131643670,3269593,'485d5f150dc20bffc0aa4c61b656857195a85f2d898ee5ad40ef83cd0bcf39ef',2.03593418002128601074e-01,1.79582052755547642713e+09,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T230207.600-cab861',X'6261642E79616D6C','job_file','closed',9,1795820526128165278,3269591,'3b50a64f053f945a756e0cd067bf663df18cab11e6b799cd894bf32aaa0a0257',2.03593418002128601074e-01,1.79582052761231279378e+09,'{"kind": "bad_input", "message": "unknown key", "mend": "Mend what the list of problems names, then move the file back into the inbox."}','[{"message": "unknown key", "file": "bad.yaml", "line": 1, "key": "promt", "given": "", "suggestion": "prompt"}]');
INSERT INTO "sources" VALUES('20261127T230207.624-962734',X'6361742E79616D6C','job_file','closed',29,1795820526128165278,3269589,'f0fdabe0155ff475dab80e035dfe9ba804af3434205798073ff123fec62071cd',2.03593418002128601074e-01,1.79582052763212585448e+09,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T230207.640-2fa9a7',X'70686F746F2E706E67','image','admitted',4186,1795820526130027711,3269592,'655b954c8dc0df7176e88f2227ad1640dbb0bb61d7afc5a710b6495c6910f23a',2.03593418002128601074e-01,1.79582052764812064166e+09,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T230207.654-802777',X'7375622F7365766572616C2E79616D6C','job_file','closed',46,1795820526128165278,3269590,'6593e75bfac6fe6b1a183c9472d960dd336a0523c270a1e56db965bdf8c1f21b',2.03593418002128601074e-01,1.79582052766636466982e+09,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T230207.676-3d39d4',X'776F7264732E747874','prompt_text','closed',18,1795820526131643670,3269594,'433c8d45da7817419ff5e13c448d6c111cab07a972bc9fd375a3701617efa3cc',2.03593418002128601074e-01,1.79582052768881964685e+09,NULL,'[]');
CREATE INDEX sources_path ON sources (path);
CREATE INDEX sources_unfinished ON sources (id) WHERE state <> 'closed';
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_next ON jobs (state, kind, id);
CREATE INDEX jobs_oldest ON jobs (state, id);
CREATE INDEX jobs_stem ON jobs (stem_key, folder);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
COMMIT;
PRAGMA user_version = 1;
