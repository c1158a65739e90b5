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
, priority INTEGER NOT NULL DEFAULT 0, defaults TEXT NOT NULL DEFAULT '[]') WITHOUT ROWID;
INSERT INTO "jobs" VALUES('20261127T225655.754-51c551','20261127T225655.754-51c551',NULL,'queued','caption','{"task": "caption", "image": "photo.png", "prompt": "", "max_new_tokens": null}',X'7461736B3A2063617074696F6E0A696D6167653A2070686F746F2E706E670A',X'',X'61626F7574','about',0,NULL,NULL,NULL,NULL,0,'[]');
INSERT INTO "jobs" VALUES('20261127T225655.920-f76ee9','20261127T225655.920-f76ee9',NULL,'done','generate','{"task": "generate", "prompt": "a red circle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 7, "aspect_ratio": null, "width": null, "height": null}',X'70726F6D70743A20612072656420636972636C650A736565643A20370A',X'',X'636174','cat',1,'977a94359b91f5e7d468dfab6e6a9919387a4ae2feb2b12b4798f4ec898e4da1',NULL,1.79582023258017039295e+09,16.8434,0,'[]');
INSERT INTO "jobs" VALUES('20261127T225655.948-fcb9ec-001','20261127T225655.948-fcb9ec',1,'done','generate','{"task": "generate", "prompt": "a green ring", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 3952142981, "aspect_ratio": null, "width": null, "height": null}',X'70726F6D70743A206120677265656E2072696E670A',X'737562',X'7365766572616C2D31','several-1',1,'46702aeb6cff33cff4081cdabf279c1a9ab38fda56de1337f306d4d179672389',NULL,1.79582023363201880453e+09,17.8542,0,'[]');
INSERT INTO "jobs" VALUES('20261127T225655.948-fcb9ec-002','20261127T225655.948-fcb9ec',2,'done','generate','{"task": "generate", "prompt": "a blue cross", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 139383387, "aspect_ratio": null, "width": null, "height": null}',X'70726F6D70743A206120626C75652063726F73730A',X'737562',X'7365766572616C2D32','several-2',1,'64f42f0d6b366e502efc8000bb6da37f60e38eb39d1cee78613e9a7ed9502871',NULL,1.79582023457203102112e+09,18.79,0,'[]');
INSERT INTO "jobs" VALUES('20261127T225655.979-e99baa','20261127T225655.979-e99baa',NULL,'done','generate','{"task": "generate", "prompt": "a yellow triangle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 1634064606, "aspect_ratio": null, "width": null, "height": null}',X'612079656C6C6F7720747269616E676C650A',X'',X'776F726473','words',1,'085deaced52e49063c36e429361ecd0da5a680e99b8d264a70691e0bd4a46c47',NULL,1.79582023695377111438e+09,21.1351,0,'[]');
CREATE TABLE named_images (
    path BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    source_id TEXT NOT NULL REFERENCES sources (id),
    PRIMARY KEY (path, size_bytes, modified_ns, source_id)
) WITHOUT ROWID;
INSERT INTO "named_images" VALUES(X'70686F746F2E706E67',4186,1795820214046117253,'20261127T225655.754-51c551');
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
INSERT INTO "sources" VALUES('20261127T225655.754-51c551',X'61626F75742E79616D6C','job_file','admitted',31,1795820214055652519,3221695,'485d5f150dc20bffc0aa4c61b656857195a85f2d898ee5ad40ef83cd0bcf39ef',2.0206023400169215165e-01,1795820215.78399,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T225655.824-981f62',X'6261642E79616D6C','job_file','closed',9,1795820214043652520,3221686,'3b50a64f053f945a756e0cd067bf663df18cab11e6b799cd894bf32aaa0a0257',2.0206023400169215165e-01,1.79582021584859752652e+09,'{"kind": "bad_input", "message": "unknown key", "mend": "Mend what the list of problems names, then move the file back into the inbox."}','[{"message": "unknown key", "file": "bad.yaml", "line": 1, "key": "promt", "given": "", "suggestion": "prompt"}]');
INSERT INTO "sources" VALUES('20261127T225655.920-f76ee9',X'6361742E79616D6C','job_file','closed',29,1795820214043652520,3221684,'f0fdabe0155ff475dab80e035dfe9ba804af3434205798073ff123fec62071cd',2.0206023400169215165e-01,1.79582021593278026577e+09,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T225655.948-fcb9ec',X'7375622F7365766572616C2E79616D6C','job_file','closed',46,1795820214043652520,3221685,'6593e75bfac6fe6b1a183c9472d960dd336a0523c270a1e56db965bdf8c1f21b',2.0206023400169215165e-01,1.7958202159679756164e+09,NULL,'[]');
INSERT INTO "sources" VALUES('20261127T225655.979-e99baa',X'776F7264732E747874','prompt_text','closed',18,1795820214055652519,3221696,'433c8d45da7817419ff5e13c448d6c111cab07a972bc9fd375a3701617efa3cc',2.0206023400169215165e-01,1.79582021599599814419e+09,NULL,'[]');
CREATE INDEX sources_path ON sources (path);
CREATE INDEX sources_unfinished ON sources (id) WHERE state <> 'closed';
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_oldest ON jobs (state, id);
CREATE INDEX jobs_stem ON jobs (stem_key, folder);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_next ON jobs (state, kind, priority DESC, id);
CREATE INDEX named_images_source ON named_images (source_id);
COMMIT;
PRAGMA user_version = 2;
