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
INSERT INTO "companions" VALUES(X'',0,0);
CREATE TABLE ended (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE
);
INSERT INTO "ended" VALUES(1,'20261129T011101.795-900ab0');
INSERT INTO "ended" VALUES(2,'20261129T011101.796-f1ff5c');
INSERT INTO "ended" VALUES(3,'20261129T011101.797-e51e10-001');
INSERT INTO "ended" VALUES(4,'20261129T011101.797-e51e10-002');
INSERT INTO "ended" VALUES(5,'20261129T011101.798-1e58b6');
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
INSERT INTO "hook_events" VALUES(1,'failed','20261129T011101.795-900ab0','ended',1.79591466185537815096e+09,1.79591466211689233778e+09,1.79591466234463620179e+09,'ok',0,0);
INSERT INTO "hook_events" VALUES(2,'idle','','gathering',1.79591466185537815096e+09,NULL,NULL,'',3,2);
INSERT INTO "hook_events" VALUES(3,'done','20261129T011101.796-f1ff5c','ended',1.79591466242212176316e+09,1.79591466252738928789e+09,1.79591466255928969382e+09,'ok',0,0);
INSERT INTO "hook_events" VALUES(4,'done','20261129T011101.797-e51e10-001','ended',1.79591466255696082117e+09,1.79591466256117630005e+09,1.79591466257285118108e+09,'ok',0,0);
INSERT INTO "hook_events" VALUES(5,'failed','20261129T011101.797-e51e10-002','ended',1.79591466259047889708e+09,1.79591466260638570788e+09,1.79591466267269635201e+09,'ok',0,0);
INSERT INTO "hook_events" VALUES(6,'done','20261129T011101.798-1e58b6','ended',1.79591466263334584231e+09,1.79591466270579600333e+09,1.79591466271941637995e+09,'ok',0,0);
CREATE TABLE jobs (
    id TEXT NOT NULL UNIQUE,
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
    total_s REAL,
    priority INTEGER NOT NULL DEFAULT 0,
    defaults TEXT NOT NULL DEFAULT '[]',
    model TEXT NOT NULL DEFAULT '',
    tried TEXT NOT NULL DEFAULT '[]',
    demand TEXT NOT NULL DEFAULT '',
    begun TEXT,
    waits_for TEXT NOT NULL DEFAULT '[]',
    warnings TEXT NOT NULL DEFAULT '[]',
    chain TEXT
);
INSERT INTO "jobs" VALUES('20261129T011101.794-74fd62','20261129T011101.794-74fd62',NULL,'queued','caption','{"task": "caption", "image": "photo.png", "prompt": "", "max_new_tokens": null, "beams": null, "sampling": null, "candidates": null, "max_words": null, "question": "", "embed": null, "caption": null, "picture": "photo.png", "describe": null, "matched": false, "of_set": false}',X'7461736B3A2063617074696F6E0A696D6167653A2070686F746F2E706E670A',X'',X'61626F7574','about',0,NULL,NULL,NULL,NULL,0,'[]','','[]','caption','{"boot": "c4e6abde-6849-425f-b5f5-0156fc5d916d", "kills": 3, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu", "width": 64, "height": 64, "batch": 2, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}, "device_name": "scripted"}','[]','[]',NULL);
INSERT INTO "jobs" VALUES('20261129T011101.796-f1ff5c','20261129T011101.796-f1ff5c',NULL,'done','generate','{"task": "generate", "prompt": "a red circle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 7, "aspect_ratio": null, "width": null, "height": null, "model": null, "speed": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null, "variant": "", "described": null, "follows": null, "check": null, "control": [], "like": [], "regions": [], "upscale": null}',X'70726F6D70743A20612072656420636972636C650A736565643A20370A',X'',X'636174','cat',1,'fa27d2f084bf8c52a825ac68ce9b47d73099dd33032ec42b59a004ee2b11f680',NULL,1.79591466242212176316e+09,0.5437,0,'[]','','[]','generate','{"boot": "c4e6abde-6849-425f-b5f5-0156fc5d916d", "kills": 3, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}, "device_name": "scripted"}','[]','[]',NULL);
INSERT INTO "jobs" VALUES('20261129T011101.797-e51e10-001','20261129T011101.797-e51e10',1,'done','generate','{"task": "generate", "prompt": "a green ring", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 1905635513, "aspect_ratio": null, "width": null, "height": null, "model": null, "speed": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null, "variant": "", "described": null, "follows": null, "check": null, "control": [], "like": [], "regions": [], "upscale": null}',X'70726F6D70743A206120677265656E2072696E670A',X'737562',X'7365766572616C2D31','several-1',1,'b9a4647115aba760cc4f48897ac5656d0a5d885b05d1a7600b7141c26d306b7e',NULL,1.79591466255696082117e+09,0.6685,0,'[]','','[]','generate','{"boot": "c4e6abde-6849-425f-b5f5-0156fc5d916d", "kills": 3, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}, "device_name": "scripted"}','[]','[]',NULL);
INSERT INTO "jobs" VALUES('20261129T011101.797-e51e10-002','20261129T011101.797-e51e10',2,'failed','generate','{"task": "generate", "prompt": "fails", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 2754680132, "aspect_ratio": null, "width": null, "height": null, "model": null, "speed": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null, "variant": "", "described": null, "follows": null, "check": null, "control": [], "like": [], "regions": [], "upscale": null}',X'70726F6D70743A206661696C730A',X'737562',X'7365766572616C2D32','several-2',1,NULL,'{"kind": "out_of_memory", "message": "no memory (tried: cpu, cpu_tiled_decode, cpu_split_guidance, cpu_half_weights, cpu_mapped_weights)", "mend": "Ask for fewer pixels; or end other programs that use memory, and `aura-daemon retry` the job; or let this machine, its service unit or its container have more memory. `aura-daemon doctor --plan WIDTHxHEIGHT` tells how much."}',1.79591466259047889708e+09,NULL,0,'[]','','[{"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "device_name": "scripted", "rung": "cpu", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.0027525799996510614, "waited": false}, {"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "device_name": "scripted", "rung": "cpu_tiled_decode", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.0012652900004468393, "waited": false}, {"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "device_name": "scripted", "rung": "cpu_split_guidance", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.0013566159977926873, "waited": false}, {"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "device_name": "scripted", "rung": "cpu_half_weights", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.0010867529999813996, "waited": false}, {"kind": "out_of_memory", "reason": "no memory", "device": "cpu", "device_name": "scripted", "rung": "cpu_mapped_weights", "batch": 1, "alone": true, "peak_bytes": 1000, "seconds": 0.0009603639991837554, "waited": false}]','generate','{"boot": "c4e6abde-6849-425f-b5f5-0156fc5d916d", "kills": 3, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu_mapped_weights", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}, "device_name": "scripted"}','[]','[]',NULL);
INSERT INTO "jobs" VALUES('20261129T011101.798-1e58b6','20261129T011101.798-1e58b6',NULL,'done','generate','{"task": "generate", "prompt": "a yellow triangle", "negative_prompt": "", "steps": null, "guidance_scale": null, "scheduler": null, "seed": 1686407148, "aspect_ratio": null, "width": null, "height": null, "model": null, "speed": null, "loras": [], "image": null, "mask": null, "strength": null, "hires": null, "clip_skip": null, "format": null, "quality": null, "metadata": null, "preview": 0, "output": null, "tags": [], "notes": "", "embedded": null, "variant": "", "described": null, "follows": null, "check": null, "control": [], "like": [], "regions": [], "upscale": null}',X'612079656C6C6F7720747269616E676C650A',X'',X'776F726473','words',1,'e33afcc0ee291cd9be243e56e1bfd03497a8ee53e229304f3d7e0f204c3701ca',NULL,1.79591466263334584231e+09,0.7385,0,'[]','','[]','generate','{"boot": "c4e6abde-6849-425f-b5f5-0156fc5d916d", "kills": 3, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu", "width": 64, "height": 64, "batch": 1, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}, "device_name": "scripted"}','[]','[]',NULL);
INSERT INTO "jobs" VALUES('20261129T011101.907-42a0aa','20261129T011101.907-42a0aa',NULL,'queued','caption','{"task": "caption", "image": null, "prompt": "", "max_new_tokens": null, "beams": null, "sampling": null, "candidates": null, "max_words": null, "question": "", "embed": null, "caption": null, "picture": "alone.png", "describe": null, "matched": false, "of_set": false}',X'',X'',X'616C6F6E65','alone',0,NULL,NULL,NULL,NULL,0,'[]','','[]','caption','{"boot": "c4e6abde-6849-425f-b5f5-0156fc5d916d", "kills": 3, "tried": {"device": "cpu", "device_name": "scripted", "dtype": "float32", "rung": "cpu", "width": 64, "height": 64, "batch": 2, "alone": true, "guided": true, "variant": "eager", "expected_bytes": 500, "room_bytes": 2000, "total_bytes": 0, "peak_bytes": 0}, "device_name": "scripted"}','[]','[]',NULL);
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
INSERT INTO "named_images" VALUES(X'70686F746F2E706E67',140,1795914661529084176,'20261129T011101.794-74fd62');
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
INSERT INTO "sources" VALUES('20261129T011101.794-74fd62',X'61626F75742E79616D6C','job_file','admitted',31,1795914661529174253,2778482,'485d5f150dc20bffc0aa4c61b656857195a85f2d898ee5ad40ef83cd0bcf39ef',0.0,1.79591466183286237721e+09,NULL,'[]','about');
INSERT INTO "sources" VALUES('20261129T011101.795-900ab0',X'6261642E79616D6C','job_file','closed',9,1795914661528996654,2778479,'3b50a64f053f945a756e0cd067bf663df18cab11e6b799cd894bf32aaa0a0257',0.0,1.79591466185537815096e+09,'{"kind": "bad_input", "message": "line 1: promt: unknown key; did you mean `prompt`?", "mend": "Mend it, then move the file back into the inbox."}','[{"message": "unknown key", "file": "bad.yaml", "line": 1, "key": "promt", "given": "", "suggestion": "prompt"}]','bad');
INSERT INTO "sources" VALUES('20261129T011101.796-f1ff5c',X'6361742E79616D6C','job_file','closed',29,1795914661528734724,2778478,'f0fdabe0155ff475dab80e035dfe9ba804af3434205798073ff123fec62071cd',0.0,1.79591466186572790144e+09,NULL,'[]','cat');
INSERT INTO "sources" VALUES('20261129T011101.797-e51e10',X'7375622F7365766572616C2E79616D6C','job_file','closed',39,1795914661528900425,2967902,'dec489e780eb2b5e5343f23bb4fc25a0c562666c250218885531e2b72c5b35a7',0.0,1.79591466187383341788e+09,NULL,'[]','several');
INSERT INTO "sources" VALUES('20261129T011101.798-1e58b6',X'776F7264732E747874','prompt_text','closed',18,1795914661529347708,2778484,'433c8d45da7817419ff5e13c448d6c111cab07a972bc9fd375a3701617efa3cc',0.0,1.79591466188954329485e+09,NULL,'[]','words');
INSERT INTO "sources" VALUES('20261129T011101.907-42a0aa',X'616C6F6E652E706E67','image','admitted',141,1795914661529252966,2778483,'0a866d67a9ca4af8c1a9f7ea5d8e1669aee7d811a938d0a76abdb742a4e3404d',0.0,1.79591466198094677928e+09,NULL,'[]','alone');
CREATE INDEX sources_path ON sources (path);
CREATE INDEX sources_unfinished ON sources (id) WHERE state <> 'closed';
CREATE INDEX named_images_source ON named_images (source_id);
CREATE INDEX sources_refused ON sources (claimed_at) WHERE failure IS NOT NULL;
CREATE INDEX sources_images ON sources (image_key, path) WHERE kind = 'image';
CREATE INDEX benchmarks_model ON benchmarks (model, kind, finished);
CREATE INDEX hook_events_open ON hook_events (state, kind, id) WHERE state <> 'ended';
CREATE INDEX hook_events_subject ON hook_events (subject);
CREATE TRIGGER source_refused AFTER UPDATE OF failure ON sources WHEN NEW.failure IS NOT NULL
    BEGIN DELETE FROM ended WHERE id = NEW.id; INSERT INTO ended (id) VALUES (NEW.id); END;
CREATE TRIGGER source_forgotten AFTER DELETE ON sources BEGIN DELETE FROM ended WHERE id = OLD.id; END;
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_next ON jobs (state, kind, model, priority DESC, id);
CREATE INDEX jobs_oldest ON jobs (state, id);
CREATE INDEX jobs_stem ON jobs (stem_key, folder);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_demand ON jobs (state, demand);
CREATE TRIGGER job_ended AFTER UPDATE OF state ON jobs
    WHEN NEW.state IN ('done', 'failed') AND OLD.state <> NEW.state
    BEGIN DELETE FROM ended WHERE id = NEW.id; INSERT INTO ended (id) VALUES (NEW.id); END;
CREATE TRIGGER job_forgotten AFTER DELETE ON jobs BEGIN DELETE FROM ended WHERE id = OLD.id; END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('ended',5);
COMMIT;
PRAGMA user_version = 17;
