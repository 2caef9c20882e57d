--- moonpulse export: runs in the formats of others.
local as_json = require "moonpulse.cli.as_json"
local cli = require "moonpulse.cli"
local crates = require "moonpulse.provenance.crate"
local disk = require "moonpulse.bids.disk"
local edited = require "moonpulse.safety.edited"
local escapes = require "moonpulse.text.escapes"
local exports = require "moonpulse.bids.export"
local facts_of = require "moonpulse.provenance.facts"
local json = require "moonpulse.text.sorted_json"
local lfs = require "lfs"
local meta_files = require "moonpulse.bids.meta"
local numbers = require "moonpulse.text.numbers"
local read = require "moonpulse.record.read"
local records = require "moonpulse.cli.records_option"
local runs = require "moonpulse.bids.run"
local statements = require "moonpulse.provenance.statement"
local xdf_files = require "moonpulse.xdf.file"
local xdf_streams = require "moonpulse.xdf.of_run"

local M = {}

local most_noted = 20 -- files that are left out

function M.parser()
  local parser = cli.parser("export",
    "Runs in the formats of others. bids: into a BIDS dataset, with nibs/ as the draft of BEP037 (NIBS-BIDS)"
      .. " says, the timeline pulse by pulse as beh/ events that every BIDS tool reads, participants, scans, "
      .. "thresholds (phenotype/), the plan (stimuli/), the run's own files, byte for byte (sourcedata/). "
      .. "A dataset that is there gets more rows and files; nothing is written over. What Moonpulse cannot "
      .. "know (authors, coil, criterion) comes from --meta, or is n/a. crate: a copy of each run's folder "
      .. "as an RO-Crate. prov: an in-toto statement for each run of what came out, of what, by what. xdf: "
      .. "markers and pulses as LabRecorder writes streams, for pyxdf, EEGLAB and MNE (docs/lsl.md). Of "
      .. "several runs, one that cannot be exported is named, the others are exported, and the exit status "
      .. "is 2, or 4 where a file could not be written (docs/bids.md).",
    "moonpulse export bids runs/2026-11-27T101500_itbs600 --bids study --sub 01 --ses 1\n"
      .. "moonpulse export crate runs/2026-11-27T101500_itbs600 -o itbs.crate\n"
      .. "moonpulse export crate runs/p07/* --out crates\n"
      .. "moonpulse export prov runs/p07/* --out statements\n"
      .. "moonpulse export xdf runs/2026-11-27T101500_itbs600 -o itbs.xdf")
  parser:argument("what", "The format: bids, crate, prov or xdf."):choices({ "bids", "crate", "prov", "xdf" })
    :argname("FORMAT")
  parser:argument("runs", "A run: " .. records.named .. ". Several: for bids of one participant."):args("+")
    :argname("RUN")
  parser:option("--bids", "bids: the dataset, a new folder, or one that is a BIDS dataset."):argname("DIR")
  parser:option("--sub", "bids: the participant's label in the dataset, such as 01. Nothing else of the "
    .. "participant is written but under sourcedata/."):argname("LABEL")
  parser:option("--ses", "bids: the session's label, where the dataset has sessions."):argname("LABEL")
  parser:option("--task", "bids: what the participant did meanwhile, such as rest; default: "
    .. "stimulation, which says nothing of it."):argname("LABEL")
  parser:option("--acq", "bids: what tells this stimulation from others; default: the protocol's id.")
    :argname("LABEL")
  parser:option("--meta", "bids: a JSON file with what Moonpulse cannot know."):argname("FILE")
  parser:flag("--draft-scans", "bids: list nibs/ in scans.tsv too, as the draft wants. Today's validators "
    .. "then report an error.")
  parser:flag("--no-sourcedata", "bids: leave out the run's own files, which name the lab's code of the "
    .. "participant.")
  parser:option("--out", "crate, prov, xdf: the folder in which each run gets its crate (the run's name "
    .. "and .crate), its statement (.intoto.json) or its streams (.xdf); default: the folder that you are "
    .. "in.")
    :argname("DIR")
  parser:option("-o --output", "crate, prov, xdf: of one run, the new folder or file itself. prov, xdf: - is "
    .. "standard output."):argname("PATH")
  parser:option("--sign", "prov: sign each statement with this SSH key (ssh-keygen -Y sign): what is written "
    .. "is a DSSE envelope with it (RUN.dsse.json)."):argname("KEY")
  parser:option("--license", "crate: who may use it, as a URI or in words."):default("not stated")
    :argname("TEXT")
  parser:flag("--json", "What was written, as one JSON object (docs/schemas).")
  return parser
end

--- json: --json tells it.
local function say(json_asked, text, ...)
  if not json_asked then
    print(escapes.shown(text:format(...), true))
  end
end

local function meta_of(options)
  if not options.meta then
    return {}
  end
  local meta, message = meta_files.read(options.meta)
  return meta or cli.fail("usage", "%s", message)
end

--- Several runs of one command are one person's.
local function read_runs(options)
  local list, participant = {}, nil
  for i, folder in ipairs(options.runs) do
    local run, message = runs.read(folder)
    if not run then
      cli.fail("usage", "%s", message)
    end
    local this = run.manifest.participant
    if i > 1 and this ~= participant then
      cli.fail("usage", "%s is not of the participant of %s: one --sub for each participant", folder,
        options.runs[1])
    end
    list[i], participant = run, this
  end
  return list
end

local function note(run, text, ...)
  io.stderr:write(escapes.shown(("moonpulse: note: %s: %s\n"):format(run.folder, text:format(...)), true))
end

--- What is written says it, too.
---@param run { folder: string, edited: string? }
local function note_edited(run)
  if run.edited then
    note(run, "%s", edited.sentence(run.edited))
  end
end

--- What is no file of its own cannot be copied or hashed: whoever sent the folder put it there.
---@param run { folder: string, left_out: string[] }
local function note_left_out(run)
  for i, what in ipairs(run.left_out) do
    if i > most_noted then
      return note(run, "%d more of the kind are left out", #run.left_out - most_noted)
    end
    note(run, "left out: %s in the place of a file", what)
  end
end

--- The runs of which something was given; of the others it is said that they are left out, and why.
---@return moonpulse.BidsRun[]
---@return table[] left_out { run, reason } as data
local function begun(list)
  local some, left_out = {}, json.list {}
  for _, run in ipairs(list) do
    if run.manifest.status ~= "not run" then
      some[#some + 1] = run
    else
      local why = tostring(read.get(run.manifest, "result.reason") or run.manifest.status)
      left_out[#left_out + 1] = { run = run.folder, reason = why }
      note(run, "left out, as nothing was given: %s", why)
    end
  end
  if not some[1] then
    cli.fail("usage", "nothing was given in %s: there is nothing to export", numbers.counted(#list, "run"))
  end
  return some, left_out
end

local function tell(run, made, folder, options)
  local json_asked = options.json
  local all = made.patterns + made.singles
  say(json_asked, "%s: %s, %s %s%s: %s/%s/nibs/%s_nibs.tsv", run.folder, numbers.counted(made.rows, "row"),
    numbers.count(all), all == 1 and "delivery" or "deliveries", made.patterns > 0 and made.singles > 0
      and (", %s of them pulse by pulse"):format(numbers.count(made.singles)) or "",
    folder, made.folder, made.stem)
  note_edited(run)
  if made.notes > 0 then
    note(run, "%s: the dataset has %s as written: see that nobody is named there", made.notes == 1
      and "a note of its operator" or numbers.counted(made.notes, "note") .. " of its operators",
      made.notes == 1 and "it" or "them")
  end
  if not options.no_sourcedata then
    note_left_out(run)
  end
  if run.manifest.device and run.manifest.device.simulated then
    io.stderr:write(("moonpulse: note: %s was simulated: nobody was stimulated, and the dataset says so\n")
      :format(escapes.shown(run.name)))
  end
end

--- Put the runs into the dataset. What others put there meanwhile would be lost: nobody may.
local function put_runs(folder, list, group, options, meta)
  local is_new = not lfs.symlinkattributes(folder, "mode")
  local lock <close>, message = disk.lock(folder, group)
  if not lock then
    cli.fail("usage", "%s", message)
  end
  local dataset, why = disk.open(folder)
  if not dataset then
    cli.fail("usage", "%s", why)
  end
  local made = {}
  local added, problem = pcall(function()
    for i, run in ipairs(list) do
      made[i] = exports.add(dataset, run, options, meta)
    end
  end)
  if not added then
    lfs.rmdir(is_new and folder or "") -- empty: nothing was written
    error(problem, 0)
  end
  local ok, problem_of = disk.write(folder, dataset, group)
  if not ok then
    cli.fail("fault", "%s", problem_of)
  end
  return made, dataset
end

local formats = {}

function formats.bids(options)
  for _, name in ipairs { "bids", "sub" } do
    if not options[name] then
      cli.fail("usage", "export bids: --%s is missing (see moonpulse export --help)", name)
    end
  end
  if options.sign then
    cli.fail("usage", "--sign is of prov: leave it out (moonpulse sign signs the run itself)")
  elseif options.out or options.output then
    cli.fail("usage", "export bids: --%s is of crate and prov: the dataset is named by --bids alone",
      options.out and "out" or "output")
  end
  local folder = options.bids:gsub("(.)/+$", "%1")
  local meta = meta_of(options)
  local list, left_out = begun(read_runs(options))
  local group = true
  for _, run in ipairs(list) do
    group = group and disk.is_shared(run.folder)
  end
  local made, dataset = put_runs(folder, list, group, options, meta)
  local data = json.list {}
  for i, run in ipairs(list) do
    tell(run, made[i], folder, options)
    data[i] = { run = run.folder, rows = made[i].rows, deliveries = made[i].patterns + made[i].singles,
      file = ("%s/nibs/%s_nibs.tsv"):format(made[i].folder, made[i].stem) }
  end
  if not (meta.Authors and meta.Name) and dataset.files["dataset_description.json"] then
    say(options.json, "dataset_description.json has no %s yet: fill in what is missing, or give it with "
      .. "--meta",
      not meta.Name and not meta.Authors and "name and no authors" or meta.Name and "authors" or "name")
  end
  say(options.json, "check it: moonpulse check-bids %s", folder)
  if options.json then
    as_json.tell { what = "moonpulse export", format = "bids", output = folder, runs = data,
      left_out = left_out }
  end
end

--- The run that a record of provenance is of.
local function facts_noted(folder)
  local facts, message = facts_of.read(folder)
  if not facts then
    cli.fail("usage", "%s", message)
  end
  note_edited(facts)
  note_left_out(facts)
  return facts
end

--- Nothing is written over: not a link that leads nowhere either.
local function refuse_there(path)
  if lfs.symlinkattributes(path, "mode") then
    cli.fail("usage", "%s is there already: name another with -o or --out, nothing is written over", path)
  end
end

--- Write the one file of an export, whole; another program's that came meanwhile is not written over.
local function put_new(path, content, facts)
  local ok, message = disk.put_new(path, content, disk.is_shared(facts.folder))
  if not ok then
    refuse_there(path)
    cli.fail("fault", "cannot write %s: %s", path, message)
  end
end

local makers = {} -- each: of one run, into path; what was written as facts

function makers.crate(folder, path, options)
  if lfs.attributes(path, "mode") ~= "directory" then
    refuse_there(path)
  end
  local facts = facts_noted(folder)
  local group = disk.is_shared(facts.folder)
  local lock <close>, busy = disk.lock(path, group, "--out DIR") -- two at once would be mixed
  if not lock then
    cli.fail("usage", "%s", busy)
  elseif #disk.names(path) > 0 then
    cli.fail("usage", "%s has files: name a new folder with -o or --out, nothing is written over", path)
  end
  local function put(name, content)
    local ok, message = disk.put(path .. "/" .. name, content, group)
    if not ok then
      cli.fail("fault", "cannot write %s/%s: %s%s", path, name, message, #disk.names(path) > 0
        and ("; %s is not whole: remove it and export again"):format(path) or "")
    end
  end
  for _, file in ipairs(facts.files) do
    put(facts.name .. "/" .. file.name, { copy = facts.folder .. "/" .. file.name })
  end
  put(crates.name, crates.text(facts, options.license)) -- the last: what has none is no crate
  say(options.json, "%s: %s and %s", path, numbers.counted(#facts.files, "file"), crates.name)
  return facts
end

function makers.prov(folder, path, options)
  if path ~= "-" then
    refuse_there(path)
  end
  local facts = facts_noted(folder)
  local text = statements.text(facts)
  if options.sign then
    local why
    text, why = require("moonpulse.provenance.envelope").text(text, options.sign)
    if not text then
      cli.fail("usage", "--sign: %s", why)
    end
  end
  if path == "-" then
    io.stdout:write(text)
    return facts
  end
  put_new(path, text, facts)
  say(options.json, "%s: %s, by their SHA-256", path, numbers.counted(#facts.files, "file"))
  return facts
end

function makers.xdf(folder, path, options)
  if path ~= "-" then
    refuse_there(path)
  end
  local facts = facts_noted(folder)
  local streams, message = xdf_streams.streams(facts.folder, facts.manifest)
  if not streams then
    cli.fail("usage", "%s", message)
  end
  local function parts()
    return xdf_files.parts(streams)
  end
  if path == "-" then
    for part in parts() do
      io.stdout:write(part)
    end
    return { files = { path } }
  end
  put_new(path, { parts = parts }, facts)
  say(options.json, "%s: %s, %s", path, numbers.counted(streams[2].count, "pulse"),
    numbers.counted(streams[1].count, "marker"))
  return { files = { path } }
end

local endings = { xdf = ".xdf", crate = ".crate", prov = ".intoto.json" }

--- Where the record of a run is written without -o.
local function place_of(folder, options)
  local name = folder:match("[^/]+$") .. (options.sign and ".dsse.json" or endings[options.what])
  return options.out and options.out .. "/" .. name or name
end

--- What no run could be exported with.
local function check_places(options)
  local what = options.what
  if options.output and options.out then
    cli.fail("usage", "export %s: -o and --out both say where: leave one of them out", what)
  elseif options.output and #options.runs > 1 then
    cli.fail("usage", "export %s: -o names what one run becomes, and these are %d: --out DIR names the "
      .. "folder in which each gets its own", what, #options.runs)
  elseif options.output == "-" and what == "crate" then
    cli.fail("usage", "export crate: a crate is a folder, which standard output cannot be: name a new one")
  elseif options.output == "-" and options.json then
    cli.fail("usage", "-o - prints the statement, and --json what was written: name a file")
  end
  if options.sign and what ~= "prov" then
    cli.fail("usage", "--sign is of prov: leave it out (moonpulse sign signs the run itself)")
  end
  local mode = options.out and lfs.attributes(options.out, "mode")
  if mode and mode ~= "directory" then
    cli.fail("usage", "%s is no folder: name one with --out", options.out)
  end
end

--- One run: what goes wrong ends the command.
local function export_one(options)
  local path = (options.output or place_of(options.runs[1], options)):gsub("(.)/+$", "%1")
  local facts = makers[options.what](options.runs[1], path, options)
  if options.json then
    as_json.tell { what = "moonpulse export", format = options.what, output = path, files = #facts.files }
  end
end

--- Several: what goes wrong with one is told, and the others go on.
local function export_each(options)
  local list, failed, gravest = json.list {}, 0, "usage"
  for i, folder in ipairs(options.runs) do
    local path = place_of(folder, options)
    local ok, made = pcall(function() return makers[options.what](records.run(folder), path, options) end)
    local code = not ok and type(made) == "table" and rawget(made, "code")
    if ok then
      list[i] = { run = folder, output = path, files = #made.files }
    elseif code ~= "usage" and code ~= "fault" then -- a stop, or an error of ours
      error(made, 0)
    else
      local message = cli.explain(made)
      io.stdout:flush()
      io.stderr:write(("moonpulse: not exported: %s\n"):format(message))
      list[i], failed = { run = folder, message = message }, failed + 1
      gravest = code == "fault" and code or gravest
    end
  end
  if options.json then
    as_json.tell { what = "moonpulse export", format = options.what, output = options.out or ".",
      runs = list }
  end
  if failed > 0 then
    cli.fail(gravest, "export %s: %d of %d runs not exported, as told above", options.what, failed,
      #options.runs)
  end
end

local function export_records(options)
  options.out = options.out and options.out:gsub("(.)/+$", "%1")
  check_places(options)
  if #options.runs > 1 then
    export_each(options)
  else
    options.runs = records.find_all(options.runs)
    export_one(options)
  end
end

formats.crate, formats.prov, formats.xdf = export_records, export_records, export_records

function M.run(options)
  if options.what == "bids" then
    options.runs = records.find_all(options.runs)
  else
    for i, named in ipairs(options.runs) do
      options.runs[i] = records.find(named)
    end
  end
  return formats[options.what](options)
end

return M
