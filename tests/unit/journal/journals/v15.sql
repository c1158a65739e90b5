BEGIN TRANSACTION;
CREATE TABLE benchmarks (
    job_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    device TEXT NOT NULL,
    dtype TEXT NOT NULL,
    variant TEXT NOT NULL,
    settings TEXT NOT NULL,
    finished TEXT NOT NULL,
    figures TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE companions (
    path BLOB PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE ended (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE
);
INSERT INTO "ended" VALUES(1,'20261127T233312.182-ef4f26');
INSERT INTO "ended" VALUES(2,'20261127T233312.202-faa951');
INSERT INTO "ended" VALUES(3,'20261127T233312.221-9a04fa-001');
INSERT INTO "ended" VALUES(4,'20261127T233312.221-9a04fa-002');
INSERT INTO "ended" VALUES(5,'20261127T233312.239-cb3fac');
CREATE TABLE hook_events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    recorded_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    outcome TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "hook_events" VALUES(1,'failed','20261127T233312.182-ef4f26','ended',1.79582239218764114383e+09,1.79582239234971618654e+09,1.79582239246510100361e+09,'ok',0,0);
INSERT INTO "hook_events" VALUES(2,'idle','','gathering',1.79582239218764114383e+09,NULL,NULL,'',3,2);
INSERT INTO "hook_events" VALUES(3,'done','20261127T233312.202-faa951','ended',1.79582239251577258109e+09,1.79582239258763241762e+09,1.79582239269244647028e+09,'ok',0,0);
INSERT INTO "hook_events" VALUES(4,'done','20261127T233312.221-9a04fa-001','ended',1.79582239266853332512e+09,1.79582239270500373844e+09,1.79582239276450443274e+09,'ok',0,0);
INSERT INTO "hook_events" VALUES(5,'failed','20261127T233312.221-9a04fa-002','ended',1.7958223929260315895e+09,1.79582239303312110904e+09,1.7958223931722972393e+09,'ok',0,0);
INSERT INTO "hook_events" VALUES(6,'done','20261127T233312.239-cb3fac','ended',1.79582239310872864715e+09,1.79582239317855238912e+09,1.79582239322678160662e+09,'ok',0,0);
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
, priority INTEGER NOT NULL DEFAULT 0, defaults TEXT NOT NULL DEFAULT '[]', model TEXT NOT NULL DEFAULT '', tried TEXT NOT NULL DEFAULT '[]', demand TEXT NOT NULL DEFAULT '', begun TEXT, waits_for TEXT NOT NULL DEFAULT '[]', warnings TEXT NOT NULL DEFAULT '[]') WITHOUT ROWID;
INSERT INTO "jobs" VALUES('20261127T233312.138-b7d0cf','20261127T233312.138-b7d0cf',NULL,'queued','caption','{"task": "caption", "image": "photo.png", "prompt": "", "max_new_tokens": null}',X'7461736B3A2063617074696F6E0A696D6167653A2070686F746F2E706E670A',X'',X'61626F7574','about',0,NULL,NULL,NULL,NULL,0,'[]','','[]','caption','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}}','[]','[]');
INSERT INTO "jobs" VALUES('20261127T233312.202-faa951','20261127T233312.202-faa951',NULL,'done','generate','{"task": "generate", "prompt": "a red circle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 7, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A20612072656420636972636C650A736565643A20370A',X'',X'636174','cat',1,'fa27d2f084bf8c52a825ac68ce9b47d73099dd33032ec42b59a004ee2b11f680',NULL,1.79582239251577258109e+09,0.3035,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}}','[]','[]');
INSERT INTO "jobs" VALUES('20261127T233312.221-9a04fa-001','20261127T233312.221-9a04fa',1,'done','generate','{"task": "generate", "prompt": "a green ring", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 4105294529, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206120677265656E2072696E670A',X'737562',X'7365766572616C2D31','several-1',1,'fc7f65dd0ccedb38db730efbd7757add05a8000943a58daea7ea9aa604a2ae24',NULL,1.79582239266853332512e+09,0.4225,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}}','[]','[]');
INSERT INTO "jobs" VALUES('20261127T233312.221-9a04fa-002','20261127T233312.221-9a04fa',2,'failed','generate','{"task": "generate", "prompt": "fails", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 3076101935, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'70726F6D70743A206661696C730A',X'737562',X'7365766572616C2D32','several-2',1,NULL,'{"kind": "out_of_memory", "message": "no memory (tried: cpu, cpu_tiled_decode, cpu_split_guidance, cpu_half_weights, cpu_mapped_weights)", "mend": "Ask for fewer pixels; or end other programs that use memory, and `aura-daemon retry` the job; or let this machine, its service unit or its container have more memory. `aura-daemon doctor --plan WIDTHxHEIGHT` tells how much."}',1.7958223929260315895e+09,NULL,0,'[]','','[{"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "rung": "cpu", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.020728804000100354, "waited": false}, {"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "rung": "cpu_tiled_decode", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.016106097998999758, "waited": false}, {"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "rung": "cpu_split_guidance", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.0030075909999141004, "waited": false}, {"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "rung": "cpu_half_weights", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.0029553830026998185, "waited": false}, {"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "rung": "cpu_mapped_weights", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.009387553000124171, "waited": false}]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu_mapped_weights", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}}','[]','[]');
INSERT INTO "jobs" VALUES('20261127T233312.239-cb3fac','20261127T233312.239-cb3fac',NULL,'done','generate','{"task": "generate", "prompt": "a yellow triangle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 125859878, "aspect_ratio": null, "width": null, "height": null, "model": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null}',X'612079656C6C6F7720747269616E676C650A',X'',X'776F726473','words',1,'ea3661314d14cd885babb4e8960957367b1c27ad28ca14af46ced5442522734f',NULL,1.79582239310872864715e+09,0.8466,0,'[]','','[]','generate','{"boot": "6ec57abd-d67f-4430-8d7e-6970425fae5e", "kills": 10, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}}','[]','[]');
INSERT INTO "jobs" VALUES('20261127T233312.252-ee3d0f','20261127T233312.252-ee3d0f',NULL,'queued','caption','{"task": "caption", "image": null, "prompt": "", "max_new_tokens": null}',X'',X'',X'616C6F6E65','alone',0,NULL,NULL,NULL,NULL,0,'[]','','[]','caption',NULL,'[]','[]');
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
INSERT INTO "measured" VALUES('aura-mini','scripted','float32','cpu',64,64,1,1,'eager',1,0.5,0,0,0,0);
INSERT INTO "measured" VALUES('aura-mini','scripted','float32','cpu_half_weights',64,64,1,1,'eager',0,0.0,2000,1,1,1);
INSERT INTO "measured" VALUES('aura-mini','scripted','float32','cpu_mapped_weights',64,64,1,1,'eager',0,0.0,2000,1,1,1);
INSERT INTO "measured" VALUES('aura-mini','scripted','float32','cpu_split_guidance',64,64,1,1,'eager',0,0.0,2000,1,1,1);
INSERT INTO "measured" VALUES('aura-mini','scripted','float32','cpu_tiled_decode',64,64,1,1,'eager',0,0.0,2000,1,1,1);
CREATE TABLE named_images (
    path BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    source_id TEXT NOT NULL REFERENCES sources (id),
    PRIMARY KEY (path, size_bytes, modified_ns, source_id)
) WITHOUT ROWID;
INSERT INTO "named_images" VALUES(X'70686F746F2E706E67',140,1795822391576491557,'20261127T233312.138-b7d0cf');
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
, image_key BLOB NOT NULL DEFAULT x'') WITHOUT ROWID;
INSERT INTO "sources" VALUES('20261127T233312.138-b7d0cf',X'61626F75742E79616D6C','job_file','admitted',31,1795822391576586177,3277913,'485d5f150dc20bffc0aa4c61b656857195a85f2d898ee5ad40ef83cd0bcf39ef',0.0,1.79582239214907407763e+09,NULL,'[]','about');
INSERT INTO "sources" VALUES('20261127T233312.182-ef4f26',X'6261642E79616D6C','job_file','closed',9,1795822391576397978,3277831,'3b50a64f053f945a756e0cd067bf663df18cab11e6b799cd894bf32aaa0a0257',0.0,1.79582239218764114383e+09,'{"kind": "bad_input", "message": "line 1: promt: unknown key; did you mean `prompt`?", "mend": "Mend what the list of problems names, then move the file back into the inbox."}','[{"message": "unknown key", "file": "bad.yaml", "line": 1, "key": "promt", "given": "", "suggestion": "prompt"}]','bad');
INSERT INTO "sources" VALUES('20261127T233312.202-faa951',X'6361742E79616D6C','job_file','closed',29,1795822391575590771,3277780,'f0fdabe0155ff475dab80e035dfe9ba804af3434205798073ff123fec62071cd',0.0,1.79582239220863938331e+09,NULL,'[]','cat');
INSERT INTO "sources" VALUES('20261127T233312.221-9a04fa',X'7375622F7365766572616C2E79616D6C','job_file','closed',39,1795822391576282807,3277799,'dec489e780eb2b5e5343f23bb4fc25a0c562666c250218885531e2b72c5b35a7',0.0,1.79582239223029065133e+09,NULL,'[]','several');
INSERT INTO "sources" VALUES('20261127T233312.239-cb3fac',X'776F7264732E747874','prompt_text','closed',18,1795822391585721516,3277944,'433c8d45da7817419ff5e13c448d6c111cab07a972bc9fd375a3701617efa3cc',0.0,1.79582239224507141115e+09,NULL,'[]','words');
INSERT INTO "sources" VALUES('20261127T233312.252-ee3d0f',X'616C6F6E652E706E67','image','admitted',141,1795822391583590771,3277934,'0a866d67a9ca4af8c1a9f7ea5d8e1669aee7d811a938d0a76abdb742a4e3404d',0.0,1.79582239226441550249e+09,NULL,'[]','alone');
CREATE INDEX sources_path ON sources (path);
CREATE INDEX sources_unfinished ON sources (id) WHERE state <> 'closed';
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_oldest ON jobs (state, id);
CREATE INDEX jobs_stem ON jobs (stem_key, folder);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX named_images_source ON named_images (source_id);
CREATE INDEX jobs_next ON jobs (state, kind, model, priority DESC, id);
CREATE INDEX jobs_demand ON jobs (state, demand);
CREATE INDEX sources_refused ON sources (claimed_at) WHERE failure IS NOT NULL;
CREATE INDEX sources_images ON sources (image_key, path) WHERE kind = 'image';
CREATE INDEX benchmarks_model ON benchmarks (model, kind, finished);
CREATE INDEX hook_events_open ON hook_events (state, kind, id) WHERE state <> 'ended';
CREATE INDEX hook_events_subject ON hook_events (subject);
CREATE TRIGGER job_ended AFTER UPDATE OF state ON jobs
    WHEN NEW.state IN ('done', 'failed') AND OLD.state <> NEW.state
    BEGIN DELETE FROM ended WHERE id = NEW.id; INSERT INTO ended (id) VALUES (NEW.id); END;
CREATE TRIGGER source_refused AFTER UPDATE OF failure ON sources WHEN NEW.failure IS NOT NULL
    BEGIN DELETE FROM ended WHERE id = NEW.id; INSERT INTO ended (id) VALUES (NEW.id); END;
CREATE TRIGGER job_forgotten AFTER DELETE ON jobs BEGIN DELETE FROM ended WHERE id = OLD.id; END;
CREATE TRIGGER source_forgotten AFTER DELETE ON sources BEGIN DELETE FROM ended WHERE id = OLD.id; END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('ended',5);
COMMIT;
PRAGMA user_version = 15;
